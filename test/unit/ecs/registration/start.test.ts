import { RegistrationError } from 'onehop/ecs'
import { beforeEach, expect, test } from 'vitest'
import { eventsOf } from '../../../support/events.ts'
import { InProcessCloudMap } from '../../../support/ecs/in-process-cloud-map.ts'
import type { ServiceRegistration } from '../../../../src/ecs/registration/register.ts'

const HOST = 'orders.shop.local'

let aws: InProcessCloudMap
let service: string
let arn: string

beforeEach(() => {
  aws = new InProcessCloudMap()
  const made = aws.account.addService(HOST)
  service = made.id
  arn = made.arn
})

function start(options: Parameters<InProcessCloudMap['register']>[0] | object = {}): ServiceRegistration {
  return aws.register({ services: { service, port: 8080 }, ...options })
}

async function failureOf(registration: ServiceRegistration): Promise<RegistrationError> {
  const error: unknown = await registration.registered.catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(RegistrationError)
  return error as RegistrationError
}

test('reads the service, looks around, waits up to a second, registers, and follows the operation', async () => {
  const registration = start()
  await aws.clock.advance(0)
  expect(aws.operations).toEqual(['GetService', 'ListInstances'])
  expect(registration.state).toBe('registering')
  await aws.clock.advance(1_000)
  expect(aws.operations).toEqual(['GetService', 'ListInstances', 'RegisterInstance'])
  await aws.clock.advance(500)
  await registration.registered
  expect(aws.operations.at(-1)).toBe('GetOperation')
  expect(registration.state).toBe('registered')
  const { at = 0 } = aws.of('RegisterInstance')[0] ?? {}
  expect(at).toBeGreaterThan(0)
  expect(aws.of('GetOperation')[0]?.at).toBe(at + 500)
})

test('a slow operation is looked at after 0.5, 1, 2, 2 ... seconds', async () => {
  aws.registry.operations.stepMs = 4_000
  const registration = start()
  await aws.clock.advance(12_000)
  await registration.registered
  const { at = 0 } = aws.of('RegisterInstance')[0] ?? {}
  expect(aws.of('GetOperation').map((request) => request.at - at)).toEqual([
    500, 1_500, 3_500, 5_500, 7_500, 9_500,
  ])
})

test('an operation that does not end within operationMs fails the registration', async () => {
  aws.registry.operations.stepMs = 100_000
  const registration = start({ operationMs: 5_000 })
  await aws.clock.advance(10_000)
  const { failure, message } = await failureOf(registration)
  expect(failure).toBe('operation-failed')
  expect(message).toContain('did not end within 5000 ms')
})

test('an operation that could not be looked at says why', async () => {
  aws.faults.operations = { GetOperation: { answer: 'throttle' } }
  const registration = start({ operationMs: 5_000 })
  await aws.clock.advance(10_000)
  const { message } = await failureOf(registration)
  expect(message).toMatch(/did not end within 5000 ms \(GetOperation fails: ThrottlingException: .+\)$/)
})

test('throttling is retried with full jitter and one CreatorRequestId, an event each', async () => {
  aws.faults.operations = { RegisterInstance: { answer: 'throttle', times: 3 } }
  const retried = eventsOf('onehop:registration.retried')
  const registration = start()
  await aws.clock.advance(10_000)
  await registration.registered
  const requests = aws.of('RegisterInstance')
  expect(requests).toHaveLength(4)
  expect(new Set(requests.map(({ input }) => input['CreatorRequestId'])).size).toBe(1)
  expect(retried.map(({ operation, attempt, error }) => [operation, attempt, error.message])).toEqual([
    ['RegisterInstance', 1, expect.stringContaining('ThrottlingException') as string],
    ['RegisterInstance', 2, expect.stringContaining('ThrottlingException') as string],
    ['RegisterInstance', 3, expect.stringContaining('ThrottlingException') as string],
  ])
  const waits = requests.slice(1).map(({ at }, index) => at - (requests[index]?.at ?? 0))
  expect(waits).toEqual(retried.map(({ waitMs }) => waitMs))
  waits.forEach((waitMs, index) => expect(waitMs).toBeLessThanOrEqual(200 * 2 ** index))
})

test.each(['throttle', 'unavailable', 'hang'] as const)('%s for registerMs is an outage', async (answer) => {
  aws.faults.operations = { RegisterInstance: { answer } }
  const changed = eventsOf('onehop:registration.changed')
  const registration = start({ registerMs: 30_000 })
  await aws.clock.advance(40_000)
  const error = await failureOf(registration)
  expect(error.failure).toBe('outage')
  expect(registration.state).toBe('failed')
  expect(registration.error).toBe(error)
  expect(changed.at(-1)).toMatchObject({ service, id: 'task-1', from: 'registering', to: 'failed', error })
  expect(aws.of('RegisterInstance').length).toBeGreaterThan(3)
})

test('a quota that is used up is retried, since tasks leave, and has a failure of its own', async () => {
  aws.faults.operations = { RegisterInstance: { answer: 'full', times: 2 } }
  const registration = start()
  await aws.clock.advance(10_000)
  await registration.registered
  aws.faults.operations = { RegisterInstance: { answer: 'full' } }
  const other = start({ services: { service, port: 8081, id: 'other' }, registerMs: 5_000 })
  await aws.clock.advance(10_000)
  expect((await failureOf(other)).failure).toBe('full')
})

test('an answer that was lost is asked for again, and is one registration', async () => {
  aws.faults.operations = { RegisterInstance: { answer: 'lose', times: 1 } }
  const registration = start()
  await aws.clock.advance(10_000)
  await registration.registered
  expect(aws.of('RegisterInstance')).toHaveLength(2)
  expect(aws.account.instances(HOST)).toHaveLength(1)
})

test('denied: at once, naming the action and the service', async () => {
  aws.faults.operations = { RegisterInstance: { answer: 'deny' } }
  const registration = start()
  await aws.clock.advance(1_000)
  const error = await failureOf(registration)
  expect(error).toMatchObject({
    failure: 'denied',
    action: 'servicediscovery:RegisterInstance',
    resource: arn,
  })
  expect(error.message).toContain(`needs servicediscovery:RegisterInstance on ${arn}`)
  expect(aws.of('RegisterInstance')).toHaveLength(1)
})

test('GetService denied: an event, and the defaults', async () => {
  aws.faults.operations = { GetService: { answer: 'deny' } }
  const denied = eventsOf('onehop:registration.denied')
  const place = { id: 'task-1', ipv4: '10.0.11.42', ipv6: '2a05::1' }
  const registration = start({ place })
  await aws.clock.advance(2_000)
  await registration.registered
  expect(denied).toMatchObject([{ service, id: 'task-1', error: { action: 'servicediscovery:GetService' } }])
  expect(registration.instances[0]?.ttlMs).toBeUndefined()
  // The records are not known: both addresses, so that records of either kind get theirs.
  expect(aws.account.instances(HOST)[0]?.attributes).toMatchObject({
    AWS_INSTANCE_IPV4: '10.0.11.42',
    AWS_INSTANCE_IPV6: '2a05::1',
  })
})

test('GetOperation alone denied: accepted after ten seconds', async () => {
  aws.faults.operations = { GetOperation: { answer: 'deny' } }
  const denied = eventsOf('onehop:registration.denied')
  const registration = start()
  await aws.clock.advance(2_000)
  expect(registration.state).toBe('registering')
  await aws.clock.advance(10_000)
  await registration.registered
  expect(denied).toMatchObject([{ error: { action: 'servicediscovery:GetOperation', resource: '*' } }])
})

test('an operation that fails is repeated once with another CreatorRequestId, then its code is in the error', async () => {
  aws.faults.failOperations = 'ACCESS_DENIED'
  const registration = start()
  await aws.clock.advance(5_000)
  expect(await failureOf(registration)).toMatchObject({
    failure: 'operation-failed',
    operationError: 'ACCESS_DENIED',
  })
  const ids = aws.of('RegisterInstance').map(({ input }) => input['CreatorRequestId'])
  expect(new Set(ids).size).toBe(2)
})

test('DuplicateRequest: the other operation is followed; what it registered is ours', async () => {
  const attributes = {
    AWS_INSTANCE_IPV4: '10.0.11.42',
    AWS_INSTANCE_PORT: '8080',
    AVAILABILITY_ZONE: 'eu-west-1b',
    REGION: 'eu-west-1',
  }
  const registration = start()
  await aws.clock.advance(0)
  aws.registry.operations.stepMs = 1_000
  await aws.send(
    'RegisterInstance',
    { ServiceId: service, InstanceId: 'task-1', CreatorRequestId: 'other', Attributes: attributes },
    new AbortController().signal,
  )
  await aws.clock.advance(6_000)
  await registration.registered
  expect(
    aws.of('RegisterInstance').filter(({ input }) => input['CreatorRequestId'] !== 'other'),
  ).toHaveLength(1)
  expect(aws.operations).toContain('GetInstance')
})

test('DuplicateRequest: what the other operation registered otherwise is registered again, once', async () => {
  const registration = start()
  await aws.clock.advance(0)
  aws.registry.operations.stepMs = 1_000
  await aws.send(
    'RegisterInstance',
    {
      ServiceId: service,
      InstanceId: 'task-1',
      CreatorRequestId: 'other',
      Attributes: { AWS_INSTANCE_IPV4: '10.0.11.42' },
    },
    new AbortController().signal,
  )
  await aws.clock.advance(10_000)
  await registration.registered
  expect(
    aws.of('RegisterInstance').filter(({ input }) => input['CreatorRequestId'] !== 'other'),
  ).toHaveLength(2)
  expect(aws.account.instances(HOST)[0]?.attributes['AWS_INSTANCE_PORT']).toBe('8080')
})

test('DuplicateRequest again: another process works on the same id, which is a conflict', async () => {
  const registerElsewhere = (CreatorRequestId: string): Promise<unknown> => {
    const Attributes = { AWS_INSTANCE_IPV4: '10.0.11.42' }
    const input = { ServiceId: service, InstanceId: 'task-1', CreatorRequestId, Attributes }
    return aws.send('RegisterInstance', input, new AbortController().signal)
  }
  aws.faults.operations = { GetInstance: { delayMs: 500 } }
  const registration = start()
  await aws.clock.advance(0)
  aws.registry.operations.stepMs = 1_000
  await registerElsewhere('other')
  for (let passed = 0; passed < 10_000 && !aws.operations.includes('GetInstance'); passed += 100)
    await aws.clock.advance(100)
  await registerElsewhere('third')
  await aws.clock.advance(10_000)
  await expect(registration.registered).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringContaining('another process works on instance task-1 (operation ') as string,
  })
  const ours = aws.of('RegisterInstance').map(({ input }) => input['CreatorRequestId'])
  expect(new Set(ours.filter((id) => id !== 'other' && id !== 'third')).size).toBe(1)
  expect(await registration.deregister()).toBe('done')
  expect(aws.account.instances(HOST)).toHaveLength(1)
})

test('an unknown service fails at once', async () => {
  const registration = start({ services: { service: 'srv-none', port: 8080 } })
  await aws.clock.advance(0)
  expect((await failureOf(registration)).failure).toBe('unknown-service')
})

test('a service is found by its name, through throttling', async () => {
  aws.faults.operations = { ListNamespaces: { answer: 'throttle', times: 2 } }
  const registration = start({ services: { service: HOST, port: 8080 } })
  await aws.clock.advance(10_000)
  await registration.registered
  expect(aws.of('RegisterInstance')[0]?.input['ServiceId']).toBe(service)
  for (const [name, reason] of [
    ['orders.other.local', 'namespaces'],
    ['none.shop.local', 'has no service "none"'],
  ] as const) {
    const other = start({ services: { service: name, port: 8080 } })
    await aws.clock.advance(2_000)
    const error = await failureOf(other)
    expect(error.failure).toBe('unknown-service')
    expect(error.message).toContain(reason)
  }
})

test('an ARN is passed as it is, since services of other accounts have no other name', async () => {
  const registration = start({ services: { service: arn, port: 8080 } })
  await aws.clock.advance(2_000)
  await registration.registered
  expect(aws.of('RegisterInstance')[0]?.input['ServiceId']).toBe(arn)
})

test('several ports: two instances in one service, and one in another', async () => {
  const other = aws.account.addService('admin.shop.local')
  const registration = start({
    services: [
      { service, port: 8080 },
      { service, port: 8081, weight: 2 },
      { service: other.id, port: 9090, attributes: { VERSION: '7' } },
    ],
  })
  await aws.clock.advance(2_000)
  await registration.registered
  expect(
    aws.account
      .instances(HOST)
      .map(({ id, attributes }) => [id, attributes['AWS_INSTANCE_PORT'], attributes['WEIGHT']]),
  ).toEqual(
    expect.arrayContaining([
      ['task-1', '8080', undefined],
      ['task-1-8081', '8081', '2'],
    ]),
  )
  expect(aws.account.instances('admin.shop.local')).toMatchObject([
    { id: 'task-1', attributes: { VERSION: '7' } },
  ])
  const [left] = await Promise.all([registration.deregister(), aws.clock.advance(5_000)])
  expect(left).toBe('done')
  expect(aws.account.instances(HOST)).toEqual([])
  expect(aws.account.instances('admin.shop.local')).toEqual([])
})

test('one service under two names is found out before anything is overwritten', async () => {
  const registration = start({
    services: [
      { service, port: 8080 },
      { service: arn, port: 8081 },
    ],
  })
  await aws.clock.advance(2_000)
  const error = await failureOf(registration)
  expect(error.failure).toBe('invalid')
  expect(error.message).toContain('twice in one service')
})

test('without an id the address and the port are one', async () => {
  const registration = start({
    place: { ipv6: '2a05::1' },
    services: { service, port: 8080, family: 'ipv6' },
  })
  await aws.clock.advance(0)
  expect((await failureOf(registration)).message).toContain('A records: an IPv4 address is needed')
  const other = start({ place: { ipv4: '10.0.0.7' } })
  await aws.clock.advance(2_000)
  await other.registered
  expect(other.instances[0]?.id).toBe('10.0.0.7-8080')
})

test('tasks that start together register within a second of each other, and not at once', async () => {
  const random = { next: () => 0.75 }
  start({ random })
  await aws.clock.advance(2_000)
  expect(aws.of('RegisterInstance')[0]?.at).toBe(750)
})

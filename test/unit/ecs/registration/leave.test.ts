import { beforeEach, describe, expect, test } from 'vitest'
import { eventsOf } from '../../../support/events.ts'
import { InProcessCloudMap } from '../../../support/ecs/in-process-cloud-map.ts'
import type { ServiceRegistration } from '../../../../src/ecs/registration/register.ts'
import type { DeregistrationResult } from '../../../../src/ecs/registration/registration.ts'

const HOST = 'orders.shop.local'

let aws: InProcessCloudMap
let service: string

beforeEach(() => {
  aws = new InProcessCloudMap()
  service = aws.account.addService(HOST).id
})

function start(options: object = {}): ServiceRegistration {
  return aws.register({ services: { service, port: 8080 }, random: { next: () => 0.5 }, ...options })
}

/** Deregisters, and lets time pass until that is done. */
async function leave(registration: ServiceRegistration, withinMs?: number): Promise<DeregistrationResult> {
  const ends: DeregistrationResult[] = []
  void registration.deregister({ withinMs }).then((result) => ends.push(result))
  for (let passed = 0; passed < 20_000; passed += 100) {
    await aws.clock.advance(100)
    if (ends[0] !== undefined) return ends[0]
  }
  throw new Error('deregister() does not end')
}

/** Of these the API takes none at the moment of the SIGTERM, and all of them a second later. */
const FAULTS = {
  none: {},
  'delayed by 1 s': { delayMs: 1_000 },
  throttled: { answer: 'throttle', times: 2 },
  // But not DeregisterInstance, or nothing could be taken back.
  denied: { answer: 'deny', times: 1 },
  '503': { answer: 'unavailable', times: 2 },
  'hung for one request': { answer: 'hang', times: 1 },
  'with a lost answer': { answer: 'lose', times: 1 },
} as const

const ALL = [
  ...['GetService', 'ListInstances', 'RegisterInstance', 'GetOperation', 'DeregisterInstance'],
] as const

describe.each(Object.entries(FAULTS))(
  'SIGTERM at any moment of the start, with the API %s',
  (kind, fault) => {
    // Each step: before the place is read, GetService, ListInstances, the jitter, RegisterInstance, its operation, after.
    test.each([0, 1, 100, 499, 500, 501, 560, 700, 1_001, 1_500, 2_000, 3_000, 5_000, 9_000])(
      'after %d ms nothing stays registered',
      async (afterMs) => {
        const names = kind === 'denied' ? ALL.slice(0, -1) : ALL
        aws.faults.operations = Object.fromEntries(names.map((name) => [name, { ...fault }]))
        const registration = start()
        await aws.clock.advance(afterMs)
        const sent = aws.operations.length
        const registering = registration.deregister({ withinMs: 20_000 })
        await aws.clock.advance(30_000)
        expect(await registering).toBe('done')
        // Denied, it has failed before.
        expect(registration.state).toBe(registration.error === undefined ? 'gone' : 'failed')
        if (kind !== 'denied') expect(registration.error).toBeUndefined()
        expect(aws.account.instances(HOST)).toEqual([])
        // Nothing new began: only what takes back, and looks at that.
        expect(aws.operations.slice(sent).filter((name) => name === 'RegisterInstance')).toEqual([])
        expect(aws.clock.pendingTimers).toBe(0)
      },
    )
  },
)

test('a RegisterInstance that was sent is awaited before anything else is asked of that instance', async () => {
  aws.faults.operations = { RegisterInstance: { delayMs: 2_000 } }
  const registration = start()
  await aws.clock.advance(1_000)
  const left = registration.deregister()
  await aws.clock.advance(1_400)
  expect(aws.operations.at(-1)).toBe('RegisterInstance')
  await aws.clock.advance(5_000)
  expect(await left).toBe('done')
  expect(aws.account.instances(HOST)).toEqual([])
})

test('before anything was sent it is done at once, and `registered` says so', async () => {
  const registration = start()
  expect(await registration.deregister()).toBe('done')
  expect(registration.state).toBe('gone')
  await expect(registration.registered).rejects.toMatchObject({ failure: 'cancelled' })
  await aws.clock.advance(10_000)
  expect(aws.operations).toEqual([])
})

test('once: the second call has the first one’s result, and nothing is sent twice', async () => {
  const registration = start()
  await aws.clock.advance(3_000)
  const first = registration.deregister()
  expect(registration.deregister({ withinMs: 1 })).toBe(first)
  expect(registration.state).toBe('deregistering')
  await aws.clock.advance(5_000)
  expect(await first).toBe('done')
  await registration[Symbol.asyncDispose]()
  expect(aws.of('DeregisterInstance')).toHaveLength(1)
})

test('a signal that aborts deregisters', async () => {
  const owner = new AbortController()
  const registration = start({ signal: owner.signal })
  await aws.clock.advance(3_000)
  owner.abort()
  await aws.clock.advance(5_000)
  expect(registration.state).toBe('gone')
  expect(aws.account.instances(HOST)).toEqual([])
  expect(await start({ signal: owner.signal }).deregister()).toBe('done')
})

test('accepted: Cloud Map has taken it, and did not confirm it in time', async () => {
  const registration = start()
  await aws.clock.advance(3_000)
  aws.registry.operations.stepMs = 10_000
  expect(await leave(registration, 3_000)).toBe('accepted')
  expect(registration.state).toBe('gone')
})

test('accepted: GetOperation is denied, and the budget holds', async () => {
  const registration = start()
  await aws.clock.advance(3_000)
  aws.faults.operations = { GetOperation: { answer: 'deny' } }
  const begunAt = aws.clock.now()
  expect(await leave(registration, 3_000)).toBe('accepted')
  expect(aws.clock.now() - begunAt).toBeLessThanOrEqual(3_100)
})

test.each(['throttle', 'unavailable', 'hang', 'deny'] as const)(
  '%s to the end of the budget: failed, and an event names what is left behind',
  async (answer) => {
    const lost = eventsOf('onehop:registration.lost')
    const registration = start()
    await aws.clock.advance(3_000)
    aws.faults.operations = { DeregisterInstance: { answer } }
    const begunAt = aws.clock.now()
    expect(await leave(registration, 4_000)).toBe('failed')
    expect(aws.clock.now() - begunAt).toBeLessThanOrEqual(4_100)
    expect(registration.state).toBe('failed')
    expect(registration.error?.failure).toBe(answer === 'deny' ? 'denied' : 'outage')
    expect(lost).toMatchObject([{ service, id: 'task-1', address: '10.0.11.42', port: 8080 }])
    const calls = aws.of('DeregisterInstance').length
    await aws.clock.advance(100_000)
    expect(aws.of('DeregisterInstance')).toHaveLength(calls)
  },
)

test('denied is not asked twice', async () => {
  const registration = start()
  await aws.clock.advance(3_000)
  aws.faults.operations = { DeregisterInstance: { answer: 'deny' } }
  expect(await leave(registration)).toBe('failed')
  expect(aws.of('DeregisterInstance')).toHaveLength(1)
})

test('a RegisterInstance that hangs longer than the budget: failed, since it may have come through', async () => {
  aws.faults.operations = { RegisterInstance: { answer: 'hang' } }
  const lost = eventsOf('onehop:registration.lost')
  const registration = start()
  await aws.clock.advance(1_000)
  expect(await leave(registration, 2_000)).toBe('failed')
  expect(lost).toHaveLength(1)
})

test('InstanceNotFound within ten seconds of our registration means "not yet"', async () => {
  aws.faults.notYetMs = 3_000
  const registration = start()
  await aws.clock.advance(1_200)
  expect(registration.state).toBe('registered')
  expect(await leave(registration, 20_000)).toBe('done')
  expect(aws.of('DeregisterInstance').length).toBeGreaterThan(1)
  expect(aws.account.instances(HOST)).toEqual([])
})

test('InstanceNotFound later than that means that it is done', async () => {
  const registration = start()
  await aws.clock.advance(15_000)
  aws.account.deregister(HOST, 'task-1')
  expect(await leave(registration)).toBe('done')
  expect(aws.of('DeregisterInstance')).toHaveLength(1)
})

test('a service that is gone has nothing left of us', async () => {
  const registration = start()
  await aws.clock.advance(15_000)
  aws.account.deleteService(HOST)
  expect(await leave(registration)).toBe('done')
})

test('another deregistration under way, as the reaper’s, is followed', async () => {
  const registration = start()
  await aws.clock.advance(15_000)
  aws.registry.operations.stepMs = 1_000
  await aws.send(
    'DeregisterInstance',
    { ServiceId: service, InstanceId: 'task-1' },
    new AbortController().signal,
  )
  expect(await leave(registration)).toBe('done')
})

test('a registration under way by another process is waited for, and then taken back', async () => {
  const registration = start()
  await aws.clock.advance(15_000)
  aws.registry.operations.stepMs = 1_000
  const Attributes = { AWS_INSTANCE_IPV4: '10.0.11.42' }
  const input = { ServiceId: service, InstanceId: 'task-1', CreatorRequestId: 'other', Attributes }
  await aws.send('RegisterInstance', input, new AbortController().signal)
  expect(await leave(registration, 20_000)).toBe('done')
  expect(aws.of('DeregisterInstance')).toHaveLength(2)
  expect(aws.account.instances(HOST)).toEqual([])
})

test('an operation that fails is repeated once', async () => {
  const registration = start()
  await aws.clock.advance(3_000)
  aws.faults.failOperations = true
  const lost = eventsOf('onehop:registration.lost')
  expect(await leave(registration, 10_000)).toBe('failed')
  expect(aws.of('DeregisterInstance')).toHaveLength(2)
  expect(lost).toMatchObject([{ error: { operationError: 'INTERNAL_FAILURE' } }])
})

test('a registration that failed for good has nothing to take back', async () => {
  aws.faults.operations = { RegisterInstance: { answer: 'deny' } }
  const registration = start()
  await aws.clock.advance(2_000)
  expect(registration.state).toBe('failed')
  expect(await leave(registration)).toBe('done')
  expect(aws.of('DeregisterInstance')).toEqual([])
  expect(registration.state).toBe('failed')
})

test('a registration that was given up without knowing is taken back', async () => {
  aws.faults.operations = { RegisterInstance: { answer: 'lose' } }
  const registration = start({ registerMs: 100 })
  await aws.clock.advance(5_000)
  expect(registration.state).toBe('failed')
  expect(await leave(registration)).toBe('done')
  expect(aws.account.instances(HOST)).toEqual([])
})

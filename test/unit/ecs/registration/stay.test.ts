import { beforeEach, expect, test } from 'vitest'
import { eventsOf } from '../../../support/events.ts'
import { InProcessCloudMap } from '../../../support/ecs/in-process-cloud-map.ts'
import type { ServiceRegistration } from '../../../../src/ecs/registration/register.ts'

const HOST = 'orders.shop.local'

let aws: InProcessCloudMap
let service: string

beforeEach(() => {
  aws = new InProcessCloudMap()
  service = aws.account.addService(HOST).id
})

async function registered(options: object = {}): Promise<ServiceRegistration> {
  const registration = aws.register({
    services: { service, port: 8080 },
    random: { next: () => 0.5 },
    ...options,
  })
  await aws.clock.advance(2_000)
  await registration.registered
  return registration
}

test('looks every minute, ± 10 %, whether it is still there', async () => {
  await registered()
  const from = aws.clock.now()
  await aws.clock.advance(200_000)
  const looks = aws.of('GetInstance').map(({ at }) => at)
  expect(looks).toHaveLength(3)
  expect((looks[0] ?? 0) - from).toBeLessThanOrEqual(60_000)
  expect((looks[1] ?? 0) - (looks[0] ?? 0)).toBe(60_000)
  const other = new InProcessCloudMap()
  const { id } = other.account.addService(HOST)
  other.register({ services: { service: id, port: 8080 }, random: { next: () => 0 } })
  await other.clock.advance(150_000)
  const [first = { at: 0 }, second = { at: 0 }] = other.of('GetInstance')
  expect(second.at - first.at).toBe(54_000)
})

test('an instance that others removed is registered again', async () => {
  const evicted = eventsOf('onehop:registration.evicted')
  const registration = await registered()
  await aws.clock.advance(20_000)
  aws.account.deregister(HOST, 'task-1')
  await aws.clock.advance(60_000)
  expect(aws.account.instances(HOST)).toMatchObject([{ id: 'task-1' }])
  expect(evicted).toEqual([{ service, id: 'task-1', reason: 'the instance is gone' }])
  expect(registration.state).toBe('registered')
  const ids = aws.of('RegisterInstance').map(({ input }) => input['CreatorRequestId'])
  expect(new Set(ids).size).toBe(2)
})

test('a service that is deleted, and made again with its id, gets its instance back', async () => {
  const evicted = eventsOf('onehop:registration.evicted')
  const registration = await registered()
  aws.account.deleteService(HOST)
  await aws.clock.advance(130_000)
  expect(evicted).toEqual([{ service, id: 'task-1', reason: 'the service is gone' }])
  expect(registration.state).toBe('registering')
  expect(registration.inspect().instances[0]?.lastError).toContain('no such service')
  aws.account.addService(HOST, { id: service, ttlSeconds: 20 })
  await aws.clock.advance(65_000)
  expect(registration.state).toBe('registered')
  expect(registration.instances[0]?.ttlMs).toBe(20_000)
  expect(aws.account.instances(HOST)).toHaveLength(1)
})

test('a service known by its name is found again under another id', async () => {
  const registration = await registered({ services: { service: HOST, port: 8080 } })
  aws.account.deleteService(HOST)
  const { id } = aws.account.addService(HOST)
  await aws.clock.advance(70_000)
  expect(registration.inspect().instances[0]?.serviceId).toBe(id)
  expect(aws.account.instances(HOST)).toHaveLength(1)
})

test('attributes that others changed are set again; those that others added stay', async () => {
  const evicted = eventsOf('onehop:registration.evicted')
  await registered()
  const { attributes = {} } = aws.account.instances(HOST)[0] ?? {}
  aws.account.register(HOST, 'task-1', { attributes: { ...attributes, ADDED: '1' } })
  await aws.clock.advance(70_000)
  expect(evicted).toEqual([])
  aws.account.register(HOST, 'task-1', { attributes: { ...attributes, AVAILABILITY_ZONE: 'eu-west-1a' } })
  await aws.clock.advance(70_000)
  expect(evicted).toMatchObject([{ reason: 'its attributes were changed' }])
  expect(aws.account.instances(HOST)[0]?.attributes).toEqual(attributes)
})

test('another task that took the id is not overwritten: the registration fails with a conflict', async () => {
  const registration = await registered()
  aws.account.register(HOST, 'task-1', { ipv4: '10.0.99.1', port: 8080 })
  await aws.clock.advance(70_000)
  expect(registration.state).toBe('failed')
  expect(registration.error?.failure).toBe('conflict')
  const left = registration.deregister()
  await aws.clock.advance(1_000)
  expect(await left).toBe('done')
  expect(aws.account.instances(HOST)).toMatchObject([{ attributes: { AWS_INSTANCE_IPV4: '10.0.99.1' } }])
})

test.each(['throttle', 'unavailable', 'hang'] as const)(
  '%s while it looks changes nothing',
  async (answer) => {
    const evicted = eventsOf('onehop:registration.evicted')
    const registration = await registered()
    aws.faults.operations = { GetInstance: { answer } }
    await aws.clock.advance(200_000)
    expect(registration.state).toBe('registered')
    expect(evicted).toEqual([])
    expect(aws.of('RegisterInstance')).toHaveLength(1)
  },
)

test('GetInstance denied: one event, and no more', async () => {
  const denied = eventsOf('onehop:registration.denied')
  const registration = await registered()
  aws.faults.operations = { GetInstance: { answer: 'deny' } }
  await aws.clock.advance(200_000)
  expect(registration.state).toBe('registered')
  expect(denied).toHaveLength(1)
})

test('custom health is reported on change only', async () => {
  const health = eventsOf('onehop:health.changed')
  const registration = await registered()
  await aws.clock.advance(10_000)
  await Promise.all([registration.setHealthy(true), aws.clock.advance(0)])
  expect(aws.of('UpdateInstanceCustomHealthStatus')).toEqual([])
  await Promise.all([registration.setHealthy(false), aws.clock.advance(0)])
  expect(registration.state).toBe('unhealthy')
  expect(aws.account.instances(HOST)[0]?.health).toBe('UNHEALTHY')
  await Promise.all([registration.setHealthy(false), aws.clock.advance(0)])
  await Promise.all([registration.setHealthy(true), aws.clock.advance(0)])
  expect(registration.state).toBe('registered')
  expect(aws.of('UpdateInstanceCustomHealthStatus').map(({ input }) => input['Status'])).toEqual([
    'UNHEALTHY',
    'HEALTHY',
  ])
  expect(health).toEqual([
    { service, id: 'task-1', healthy: false, reason: 'setHealthy(false)' },
    { service, id: 'task-1', healthy: true, reason: 'setHealthy(true)' },
  ])
})

test('health that changes while it is being reported ends as it was set last', async () => {
  aws.faults.operations = { UpdateInstanceCustomHealthStatus: { delayMs: 1_000 } }
  const registration = await registered()
  const all = [false, true, false, true, false].map((healthy) => registration.setHealthy(healthy))
  await aws.clock.advance(10_000)
  await Promise.all(all)
  expect(registration.state).toBe('unhealthy')
  expect(aws.account.instances(HOST)[0]?.health).toBe('UNHEALTHY')
})

test('health that is taken back before it is reported holds no caller back', async () => {
  const registration = await registered()
  const all = [false, true].map((healthy) => registration.setHealthy(healthy))
  await aws.clock.advance(0)
  await Promise.all(all)
  expect(registration.state).toBe('registered')
  expect(aws.of('UpdateInstanceCustomHealthStatus')).toEqual([])
})

test('health that is taken back while it is being reported: setHealthy() waits for what was set last', async () => {
  aws.faults.operations = { UpdateInstanceCustomHealthStatus: { delayMs: 1_000 } }
  const registration = await registered()
  const down = registration.setHealthy(false)
  await aws.clock.advance(500)
  const up = registration.setHealthy(true).then(() => aws.account.instances(HOST)[0]?.health)
  await aws.clock.advance(5_000)
  await down
  expect(await up).toBe('HEALTHY')
  expect(aws.of('UpdateInstanceCustomHealthStatus').map(({ input }) => input['Status'])).toEqual([
    ...['UNHEALTHY', 'HEALTHY'],
  ])
})

test('health that is taken back before the first registration holds no caller back', async () => {
  const registration = aws.register({ services: { service, port: 8080 }, random: { next: () => 0.5 } })
  await aws.clock.advance(100)
  const all = [false, true].map((healthy) => registration.setHealthy(healthy))
  await aws.clock.advance(2_000)
  await Promise.all([registration.registered, ...all])
  expect(registration.state).toBe('registered')
})

test('another process of this task that took the id on another port is a conflict, and not fought with', async () => {
  const registration = await registered()
  const ipv4 = aws.account.instances(HOST)[0]?.attributes['AWS_INSTANCE_IPV4'] ?? ''
  aws.account.register(HOST, 'task-1', { ipv4, port: 8081 })
  await aws.clock.advance(70_000)
  expect(registration).toMatchObject({ state: 'failed', error: { failure: 'conflict' } })
  expect(registration.error?.message).toMatch(/port 8081.*give each process an id/)
  await registration.deregister()
  expect(aws.account.instances(HOST)).toMatchObject([{ attributes: { AWS_INSTANCE_PORT: '8081' } }])
})

test('health that Cloud Map does not take is reported again until it does', async () => {
  const registration = await registered({ registerMs: 2_000 })
  aws.faults.operations = { UpdateInstanceCustomHealthStatus: { answer: 'throttle' } }
  const set = registration.setHealthy(false)
  await aws.clock.advance(30_000)
  expect(registration.state).toBe('registered')
  aws.faults.clear()
  await aws.clock.advance(10_000)
  await set
  expect(registration.state).toBe('unhealthy')
})

test('"not yet" after a registration is retried for health, too', async () => {
  aws.faults.notYetMs = 4_000
  const registration = await registered()
  const set = registration.setHealthy(false)
  await aws.clock.advance(10_000)
  await set
  expect(aws.account.instances(HOST)[0]?.health).toBe('UNHEALTHY')
})

test.each(['without custom health', 'whose role may not set it'])(
  'a service %s: unhealthy is deregistered, and registered again when well',
  async (kind) => {
    if (kind === 'without custom health') {
      aws.account.addService('plain.shop.local', { customHealth: false })
      service = aws.account.addService('users.shop.local', { customHealth: false }).id
    } else {
      service = aws.account.addService('users.shop.local').id
      aws.faults.operations = { UpdateInstanceCustomHealthStatus: { answer: 'deny' } }
    }
    const registration = await registered()
    const down = registration.setHealthy(false)
    await aws.clock.advance(5_000)
    await down
    expect(registration.state).toBe('unhealthy')
    expect(aws.account.instances('users.shop.local')).toEqual([])
    // The look every minute leaves it alone.
    await aws.clock.advance(200_000)
    expect(aws.account.instances('users.shop.local')).toEqual([])
    const up = registration.setHealthy(true)
    await aws.clock.advance(5_000)
    await up
    expect(registration.state).toBe('registered')
    expect(aws.account.instances('users.shop.local')).toHaveLength(1)
  },
)

test('SIGTERM while an unhealthy instance is taken out', async () => {
  service = aws.account.addService('users.shop.local', { customHealth: false }).id
  aws.registry.operations.stepMs = 1_000
  const registration = aws.register({ services: { service, port: 8080 } })
  await aws.clock.advance(10_000)
  const down = registration.setHealthy(false)
  await aws.clock.advance(300)
  const left = registration.deregister()
  await aws.clock.advance(6_000)
  await down
  expect(await left).toBe('done')
  expect(aws.account.instances('users.shop.local')).toEqual([])
})

test('CustomHealthNotFound: the service has lost its custom health, and the instance is taken out instead', async () => {
  const registration = await registered()
  aws.account.deleteService(HOST)
  aws.account.addService(HOST, { id: service, customHealth: false })
  const { attributes } = registration.inspect().instances[0] ?? {}
  aws.account.register(HOST, 'task-1', { attributes: attributes ?? {} })
  const down = registration.setHealthy(false)
  await aws.clock.advance(5_000)
  await down
  expect(aws.account.instances(HOST)).toEqual([])
  expect(registration.state).toBe('unhealthy')
})

test('another task that has the id when the service is back is not overwritten, nor deregistered', async () => {
  const registration = await registered()
  aws.account.deleteService(HOST)
  await aws.clock.advance(65_000)
  aws.account.addService(HOST, { id: service })
  aws.account.register(HOST, 'task-1', { ipv4: '10.0.99.1', port: 8080 })
  await aws.clock.advance(65_000)
  expect(registration.state).toBe('failed')
  const left = registration.deregister()
  await aws.clock.advance(1_000)
  expect(await left).toBe('done')
  expect(aws.account.instances(HOST)).toHaveLength(1)
})

test('health that cannot be reported, since the service is gone, is tried every few seconds', async () => {
  const registration = await registered()
  aws.account.deleteService(HOST)
  void registration.setHealthy(false)
  await aws.clock.advance(20_000)
  const tries = aws.of('UpdateInstanceCustomHealthStatus').length
  expect(tries).toBeGreaterThan(1)
  expect(tries).toBeLessThan(7)
})

test('health that changes while an evicted instance cannot be registered is reported once it is back', async () => {
  const registration = await registered({ registerMs: 2_000 })
  aws.account.deregister(HOST, 'task-1')
  aws.faults.operations = { RegisterInstance: { answer: 'throttle' } }
  await aws.clock.advance(70_000)
  expect(registration.state).toBe('registering')
  const down = registration.setHealthy(false)
  await aws.clock.advance(10_000)
  aws.faults.clear()
  await aws.clock.advance(10_000)
  await down
  expect(registration.state).toBe('unhealthy')
  expect(aws.account.instances(HOST)[0]?.health).toBe('UNHEALTHY')
})

import { beforeEach, expect, test } from 'vitest'
import { eventsOf } from '../../../../support/events.ts'
import { InProcessCloudMap } from '../../../../support/ecs/in-process-cloud-map.ts'
import type { ServiceRegistration } from '../../../../../src/ecs/registration/register.ts'

const HOST = 'orders.shop.local'

let aws: InProcessCloudMap
let service: string

beforeEach(() => {
  aws = new InProcessCloudMap()
  service = aws.account.addService(HOST).id
})

async function started(options: object = {}): Promise<ServiceRegistration> {
  const registration = aws.register({ services: { service, port: 8080 }, ...options })
  await aws.clock.advance(3_000)
  return registration
}

test('our id under another address is a conflict: nothing is overwritten, nor deregistered', async () => {
  aws.account.register(HOST, 'task-1', { ipv4: '10.0.11.99', port: 8080 })
  const before = aws.account.instances(HOST)
  const registration = await started()
  await expect(registration.registered).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringContaining('10.0.11.99, and this is 10.0.11.42') as string,
  })
  expect(await registration.deregister()).toBe('done')
  expect(aws.account.instances(HOST)).toEqual(before)
  expect(aws.operations).not.toContain('RegisterInstance')
  expect(aws.operations).not.toContain('DeregisterInstance')
})

test('our id with ECS_SERVICE_NAME is a conflict: ECS registers the task itself', async () => {
  const attributes = { ECS_SERVICE_NAME: 'orders' }
  aws.account.register(HOST, 'task-1', { ipv4: '10.0.11.42', attributes })
  const registration = await started()
  await expect(registration.registered).rejects.toMatchObject({
    failure: 'conflict',
    message: expect.stringContaining('registered by ECS itself (ECS_SERVICE_NAME orders)') as string,
  })
})

test('ECS registers the task under its id, and we would under another: a conflict as well', async () => {
  const attributes = { ECS_SERVICE_NAME: 'orders' }
  aws.account.register(HOST, 'task-1', { ipv4: '10.0.11.42', attributes })
  const registration = await started({ services: { service, port: 8080, id: 'mine' } })
  await expect(registration.registered).rejects.toMatchObject({ failure: 'conflict' })
  expect(aws.account.instances(HOST)).toHaveLength(1)
})

test('the same id and address is this container before its restart: registered as if it were new', async () => {
  aws.account.register(HOST, 'task-1', { ipv4: '10.0.11.42', port: 7070, health: 'UNHEALTHY' })
  const registration = await started()
  await registration.registered
  expect(aws.account.instances(HOST)).toMatchObject([
    { id: 'task-1', health: 'HEALTHY', attributes: { AWS_INSTANCE_PORT: '8080' } },
  ])
  expect(aws.of('UpdateInstanceCustomHealthStatus')).toHaveLength(1)
})

test('a restarted container that is stopped before it has registered again leaves nothing', async () => {
  aws.account.register(HOST, 'task-1', { ipv4: '10.0.11.42', port: 8080 })
  const registration = aws.register({ services: { service, port: 8080 }, random: { next: () => 0.9 } })
  await aws.clock.advance(100)
  expect(aws.operations).not.toContain('RegisterInstance')
  const left = registration.deregister()
  await aws.clock.advance(3_000)
  expect(await left).toBe('done')
  expect(aws.account.instances(HOST)).toEqual([])
})

test.each([8080, undefined])(
  'an orphan at our address (port %s) is deregistered, with an event',
  async (port) => {
    const removed = eventsOf('onehop:registration.orphan-removed')
    aws.account.register(HOST, 'killed', { ipv4: '10.0.11.42', port })
    const registration = await started()
    await registration.registered
    expect(aws.account.instances(HOST)).toMatchObject([{ id: 'task-1' }])
    expect(removed).toEqual([{ service, id: 'killed', address: '10.0.11.42', port }])
  },
)

test('other addresses, and other ports of this one, are none of our business', async () => {
  aws.account.register(HOST, 'other-port', { ipv4: '10.0.11.42', port: 9090 })
  aws.account.register(HOST, 'other-task', { ipv4: '10.0.11.43', port: 8080 })
  const registration = await started()
  await registration.registered
  expect(aws.account.instances(HOST).map(({ id }) => id)).toEqual(['other-port', 'other-task', 'task-1'])
})

test('an orphan on the second page of instances is found', async () => {
  for (let index = 0; index < 150; index++)
    aws.account.register(HOST, `task-of-others-${index}`, { ipv4: `10.1.0.${index}`, port: 8080 })
  aws.account.register(HOST, 'killed', { ipv4: '10.0.11.42', port: 8080 })
  const registration = await started()
  await registration.registered
  expect(aws.account.instances(HOST).map(({ id }) => id)).not.toContain('killed')
  expect(aws.of('ListInstances')).toHaveLength(2)
})

test('ListInstances denied: an event, and our id is still looked up', async () => {
  aws.faults.operations = { ListInstances: { answer: 'deny' } }
  const denied = eventsOf('onehop:registration.denied')
  aws.account.register(HOST, 'task-1', { ipv4: '10.0.11.99', port: 8080 })
  const registration = await started()
  await expect(registration.registered).rejects.toMatchObject({ failure: 'conflict' })
  expect(denied).toMatchObject([{ error: { action: 'servicediscovery:ListInstances' } }])
})

test('neither may be read: registered without a look, with two events', async () => {
  aws.faults.operations = { ListInstances: { answer: 'deny' }, GetInstance: { answer: 'deny' } }
  const denied = eventsOf('onehop:registration.denied')
  const registration = await started()
  await registration.registered
  expect(denied).toHaveLength(2)
})

test('an orphan that may not be deregistered stays, and the task registers', async () => {
  aws.faults.operations = { DeregisterInstance: { answer: 'deny' } }
  const denied = eventsOf('onehop:registration.denied')
  aws.account.register(HOST, 'killed', { ipv4: '10.0.11.42', port: 8080 })
  const registration = await started()
  await registration.registered
  expect(denied).toMatchObject([{ consequence: expect.stringContaining('killed') as string }])
})

test('an orphan that cannot be deregistered is named, and the task registers', async () => {
  aws.faults.operations = { DeregisterInstance: { answer: 'throttle' } }
  const lost = eventsOf('onehop:registration.lost')
  aws.account.register(HOST, 'killed', { ipv4: '10.0.11.42', port: 8080 })
  const registration = await started()
  await aws.clock.advance(15_000)
  await registration.registered
  expect(lost).toMatchObject([{ service, id: 'killed', address: '10.0.11.42', port: 8080 }])
})

import { reaper, type TaskStateChange } from 'onehop/ecs/reaper'
import { InvalidOptionsError } from 'onehop'
import { startLocalAws, type LocalAws } from 'onehop/testing'
import { beforeEach, expect, test } from 'vitest'
import { eventsOf } from '../../support/events.ts'
import { resources } from '../../support/resources.ts'

const { keep } = resources()
const HOST = 'orders.shop.local'
const KILLED = '5f0c2a9b7d1e4c38a6b90d2f1e7c8a44'
const OTHER = '0123456789abcdef0123456789abcdef'

let aws: LocalAws
let service: string

beforeEach(async () => {
  aws = keep(await startLocalAws({ operationStepMs: 1 }))
  service = aws.addService(HOST).id
})

/** As the ECS Developer Guide shows one, for a task on Fargate. */
function stopped(lastStatus = 'STOPPED', address = '10.0.11.42'): TaskStateChange {
  const event = {
    version: '0',
    id: '9bcdac79-b31f-4d3d-9410-fbd727c29fab',
    'detail-type': 'ECS Task State Change',
    source: 'aws.ecs',
    account: '111122223333',
    time: '2026-11-27T17:00:00Z',
    region: 'eu-west-1',
    resources: [`arn:aws:ecs:eu-west-1:111122223333:task/shop/${KILLED}`],
    detail: {
      attachments: [
        {
          id: 'eni-1',
          type: 'eni',
          status: 'DELETED',
          details: [
            { name: 'subnetId', value: 'subnet-abcd1234' },
            { name: 'macAddress', value: '0a:98:eb:a7:29:ba' },
            { name: 'privateIPv4Address', value: address },
          ],
        },
      ],
      clusterArn: 'arn:aws:ecs:eu-west-1:111122223333:cluster/shop',
      containers: [
        {
          name: 'app',
          lastStatus: 'STOPPED',
          exitCode: 137,
          networkInterfaces: [{ attachmentId: 'eni-1', privateIpv4Address: address, ipv6Address: '2a05::7' }],
        },
      ],
      desiredStatus: 'STOPPED',
      lastStatus,
      stopCode: 'EssentialContainerExited',
      taskArn: `arn:aws:ecs:eu-west-1:111122223333:task/shop/${KILLED}`,
    },
  }
  return event
}

const ids = () => aws.instances(HOST).map(({ id }) => id)

test('instances that a killed task left are deregistered, and no others; a repeated event does nothing', async () => {
  const removed = eventsOf('onehop:registration.orphan-removed')
  aws.addService('admin.shop.local')
  aws.register(HOST, KILLED, { ipv4: '10.0.11.42', port: 8080 })
  aws.register(HOST, `${KILLED}-8081`, { ipv4: '10.0.11.42', port: 8081 })
  aws.register(HOST, 'of-its-own', { ipv4: '10.0.11.42', port: 8082 })
  aws.register(HOST, `${KILLED}-other`, { ipv4: '10.0.11.50', port: 8080 })
  // Got the address after it, and is well.
  aws.register(HOST, OTHER, { ipv4: '10.0.11.42', port: 8080 })
  aws.register(HOST, 'elsewhere', { ipv4: '10.0.11.43', port: 8080 })
  const handler = reaper({ services: [service, 'admin.shop.local'], cloudMap: aws.cloudMap })
  const reaped = await handler(stopped())
  expect(reaped.map(({ id }) => id)).toEqual([KILLED, `${KILLED}-8081`, 'of-its-own'])
  expect(ids()).toEqual([`${KILLED}-other`, OTHER, 'elsewhere'])
  expect(removed.map(({ id, port }) => [id, port])).toEqual([
    [KILLED, 8080],
    [`${KILLED}-8081`, 8081],
    ['of-its-own', 8082],
  ])
  expect(await handler(stopped())).toEqual([])
  expect(aws.cloudMap.calls['DeregisterInstance']).toBe(3)
})

test('by the IPv6 address, too', async () => {
  service = aws.addService('six.shop.local', { records: ['AAAA'] }).id
  aws.register('six.shop.local', 'of-its-own', { ipv6: '2a05::7', port: 8080 })
  await reaper({ services: service, cloudMap: aws.cloudMap })(stopped())
  expect(aws.instances('six.shop.local')).toEqual([])
})

test('a task that is not stopped is left alone, without a call', async () => {
  aws.register(HOST, KILLED, { ipv4: '10.0.11.42', port: 8080 })
  const handler = reaper({ services: service, cloudMap: aws.cloudMap })
  for (const status of ['RUNNING', 'DEPROVISIONING', 'STOPPING'])
    expect(await handler(stopped(status))).toEqual([])
  expect(ids()).toEqual([KILLED])
  expect(aws.cloudMap.calls).toEqual({})
})

test('throttling and lost answers are retried within the event', async () => {
  aws.register(HOST, KILLED, { ipv4: '10.0.11.42', port: 8080 })
  aws.cloudMap.faults.operations = {
    ListInstances: { answer: 'throttle', times: 2 },
    DeregisterInstance: { answer: 'lose', times: 1 },
  }
  await reaper({ services: service, cloudMap: aws.cloudMap })(stopped())
  expect(ids()).toEqual([])
})

test('one service fails: the others are done, and the error lets Lambda repeat the event', async () => {
  aws.register(HOST, KILLED, { ipv4: '10.0.11.42', port: 8080 })
  const handler = reaper({ services: ['srv-gone', service], cloudMap: aws.cloudMap })
  const error: unknown = await handler(stopped()).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(AggregateError)
  expect((error as AggregateError).message).toContain(
    '1 of 2 services: [ONEHOP_REGISTRATION_FAILED] srv-gone',
  )
  expect((error as AggregateError).errors).toMatchObject([{ failure: 'unknown-service' }])
  expect(ids()).toEqual([])
})

test('denied: names the action', async () => {
  aws.register(HOST, KILLED, { ipv4: '10.0.11.42', port: 8080 })
  aws.cloudMap.faults.operations = { DeregisterInstance: { answer: 'deny' } }
  await expect(reaper({ services: service, cloudMap: aws.cloudMap })(stopped())).rejects.toThrow(
    'needs servicediscovery:DeregisterInstance on arn:aws:servicediscovery:',
  )
})

test('an API that hangs ends within withinMs', async () => {
  aws.cloudMap.faults.answer = 'hang'
  await expect(
    reaper({ services: service, cloudMap: aws.cloudMap, withinMs: 500 })(stopped()),
  ).rejects.toThrow(/no answer in|nothing came/)
})

test('events of another kind are mistakes of the rule', async () => {
  const handler = reaper({ services: service, cloudMap: aws.cloudMap })
  for (const event of [undefined, {}, { 'detail-type': 'ECS Service Action', detail: {} }])
    await expect(handler(event as never)).rejects.toThrow(
      /must be an EventBridge event "ECS Task State Change"/,
    )
})

test('parts of an event that are null are passed over', async () => {
  const { detail, ...event } = stopped()
  const nothing = { details: null } as never
  const attachments = [nothing, { details: [{ name: null, value: null } as never] }]
  const handler = reaper({ services: service, cloudMap: aws.cloudMap })
  const containers = [{ networkInterfaces: null } as never]
  aws.register(HOST, KILLED, { ipv4: '10.0.11.42', port: 8080 })
  expect(await handler({ ...event, detail: { ...detail, attachments, containers } })).toHaveLength(1)
})

test.each([null, { lastStatus: 'STOPPED' }, { lastStatus: 'STOPPED', taskArn: 'arn:aws:ecs:::task/' }])(
  'an event without a task (%j) says what is missing',
  async (detail) => {
    const handler = reaper({ services: service, cloudMap: aws.cloudMap })
    const event = { 'detail-type': 'ECS Task State Change', detail } as never
    await expect(handler(event)).rejects.toThrow(/detail\.taskArn must be the ARN of a task, got/)
  },
)

test('options are checked at once', () => {
  for (const options of [
    {},
    { services: [] },
    { services: 'orders' },
    { services: service, withinMs: 0 },
    { service },
  ])
    expect(() => reaper(options as never)).toThrow(InvalidOptionsError)
})

import { afterEach, beforeEach, expect, test } from 'vitest'
import { startLocalAws, type LocalAws } from '../../../../src/testing/local-aws/index.ts'
import { manualClock, type ManualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { failureOf } from '../../../support/failure-of.ts'

let aws: LocalAws
let clock: ManualClock

beforeEach(async () => {
  clock = manualClock()
  aws = await startLocalAws({ clock })
})

afterEach(() => aws.close())

type Body = Record<string, unknown> & { Containers: Record<string, unknown>[] }

async function get(path: string, base = aws.metadata.uriV4): Promise<Body> {
  const response = await fetch(`${base}${path}`)
  expect(response.status).toBe(200)
  return (await response.json()) as Body
}

const protectionUri = () => `${aws.metadata.env['ECS_AGENT_URI']}/task-protection/v1/state`

test('v4 describes a task at start-up: not RUNNING yet, but with its network', async () => {
  const task = await get('/task')
  expect(task).toMatchObject({
    Cluster: 'arn:aws:ecs:eu-west-1:111122223333:cluster/shop',
    Family: 'orders',
    Revision: '7',
    ServiceName: 'orders',
    KnownStatus: 'NONE',
    AvailabilityZone: 'eu-west-1b',
    LaunchType: 'FARGATE',
  })
  expect(task.Containers).toHaveLength(2)
  const own = await get('')
  expect(own).toEqual(task.Containers[0])
  expect(own).toMatchObject({ Name: 'app', KnownStatus: 'PULLED' })
  expect(own).not.toHaveProperty('CreatedAt')
  expect(own).not.toHaveProperty('Ports')
  expect(own['Networks']).toEqual([
    {
      NetworkMode: 'awsvpc',
      IPv4Addresses: ['10.0.11.42'],
      IPv6Addresses: ['2a05:d018:1111:2200:8f1c:2d3e:4b5a:6c7d'],
      AttachmentIndex: 0,
      MACAddress: '06:3a:5c:7e:90:b2',
      IPv4SubnetCIDRBlock: '10.0.11.0/24',
      IPv6SubnetCIDRBlock: '2a05:d018:1111:2200::/64',
      DomainNameServers: ['10.0.0.2'],
      DomainNameSearchList: ['eu-west-1.compute.internal'],
      PrivateDNSName: 'ip-10-0-11-42.eu-west-1.compute.internal',
      SubnetGatewayIpv4Address: '10.0.11.1/24',
    },
  ])
})

test('the task can be changed while running', async () => {
  Object.assign(aws.metadata.task, { zone: 'eu-west-1c', serviceName: undefined, ipv4: undefined })
  aws.metadata.task.containers[0]!.knownStatus = 'RUNNING'
  const task = await get('/task')
  expect(task['AvailabilityZone']).toBe('eu-west-1c')
  expect(task).not.toHaveProperty('ServiceName')
  expect(task.Containers[0]).toHaveProperty('StartedAt')
  const [network] = task.Containers[0]!['Networks'] as Record<string, unknown>[]
  for (const key of ['IPv4Addresses', 'IPv4SubnetCIDRBlock', 'SubnetGatewayIpv4Address', 'PrivateDNSName'])
    expect(network).not.toHaveProperty(key)
  expect(network).toHaveProperty('IPv6Addresses')
})

test('fields given at the start go into bodies and ARNs', async () => {
  await using other = await startLocalAws({
    region: 'us-east-2',
    task: { taskId: 'f'.repeat(32), cluster: 'till', ipv4: '172.16.0.9' },
  })
  const task = await get('/task', other.metadata.uriV4)
  expect(task['TaskARN']).toBe(`arn:aws:ecs:us-east-2:111122223333:task/till/${'f'.repeat(32)}`)
  expect(task['AvailabilityZone']).toBe('us-east-2b')
  expect(other.metadata.uriV4).toContain('f'.repeat(32))
  expect(other.metadata.env['AWS_REGION']).toBe('us-east-2')
})

test('v3 has addresses and no more of the network, and neither service nor launch type', async () => {
  const task = await get('/task', aws.metadata.env['ECS_CONTAINER_METADATA_URI'])
  expect(task).not.toHaveProperty('LaunchType')
  expect(task).not.toHaveProperty('ServiceName')
  expect(task.Containers[0]?.['Networks']).toEqual([
    {
      NetworkMode: 'awsvpc',
      IPv4Addresses: ['10.0.11.42'],
      IPv6Addresses: ['2a05:d018:1111:2200:8f1c:2d3e:4b5a:6c7d'],
    },
  ])
  expect(await get('', aws.metadata.uriV3)).toEqual(task.Containers[0])
})

test('tags and statistics', async () => {
  aws.metadata.task.tags = { team: 'till' }
  expect((await get('/taskWithTags'))['TaskTags']).toEqual({ team: 'till' })
  expect(await get('/stats')).toMatchObject({ name: 'app' })
  expect(Object.keys(await get('/task/stats'))).toEqual(aws.metadata.task.containers.map(({ id }) => id))
})

test('what is not there is a 404 with a JSON string', async () => {
  for (const url of [`${aws.metadata.uriV4}/nothing`, aws.metadata.uriV4.replace(/[^/]+$/, 'nobody')]) {
    const response = await fetch(url)
    expect(response.status).toBe(404)
    expect(await response.json()).toBeTypeOf('string')
  }
})

test('connections are refused until the time is over, then the same port answers', async () => {
  await aws.metadata.refuseConnections(5000)
  const refused = await failureOf(fetch(aws.metadata.uriV4))
  expect(refused.cause).toMatchObject({ code: 'ECONNREFUSED' })
  expect(aws.metadata.requests).toBe(0)
  await clock.advance(4999)
  expect((await failureOf(fetch(aws.metadata.uriV4))).cause).toMatchObject({ code: 'ECONNREFUSED' })
  await clock.advance(1)
  await aws.metadata.acceptConnections()
  expect(await get('')).toMatchObject({ Name: 'app' })
  expect(aws.metadata.requests).toBe(1)
})

test('refusals from the start: the port is known while nothing listens', async () => {
  await using late = await startLocalAws({ clock, metadataRefuseMs: 100 })
  expect((await failureOf(fetch(late.metadata.uriV4))).cause).toMatchObject({ code: 'ECONNREFUSED' })
  await clock.advance(100)
  await expect.poll(() => get('', late.metadata.uriV4).catch(() => undefined)).toMatchObject({ Name: 'app' })
})

test('faults: errors, an unknown task, invalid JSON, resets, delays', async () => {
  const { faults } = aws.metadata
  faults.answer = 'error'
  const error = await fetch(aws.metadata.uriV4)
  expect([error.status, typeof (await error.json())]).toEqual([500, 'string'])
  faults.answer = 'unknown-task'
  const unknown = await fetch(aws.metadata.uriV4)
  expect([unknown.status, typeof (await unknown.json())]).toEqual([404, 'string'])
  faults.answer = 'not-json'
  const html = await fetch(aws.metadata.uriV4)
  expect(html.status).toBe(200)
  await expect(html.json()).rejects.toThrow(SyntaxError)
  faults.clear()
  faults.resets = 1
  expect((await failureOf(fetch(aws.metadata.uriV4))).cause).toMatchObject({ code: 'ECONNRESET' })
  expect(faults.resets).toBe(0)
  faults.delayMs = 70
  const slow = get('')
  await expect.poll(() => clock.pendingTimers).toBe(1)
  await clock.advance(70)
  expect(await slow).toMatchObject({ Name: 'app' })
})

test('a hanging request is taken, and ends with the server', async () => {
  aws.metadata.faults.answer = 'hang'
  const hanging = failureOf(fetch(aws.metadata.uriV4))
  await expect.poll(() => aws.metadata.requests).toBe(1)
  await aws.close()
  expect((await hanging).name).toBe('TypeError')
})

test('task protection is set, read, expires, and is removed', async () => {
  const put = async (body: unknown): Promise<Record<string, unknown>> => {
    const response = await fetch(protectionUri(), { method: 'PUT', body: JSON.stringify(body) })
    return { status: response.status, ...((await response.json()) as Record<string, unknown>) }
  }
  const off = {
    ProtectionEnabled: false,
    ExpirationDate: null,
    TaskArn: expect.stringContaining(':task/shop/'),
  }
  expect(await get('', protectionUri())).toEqual({ protection: off })
  const before = Date.now()
  const set = await put({ ProtectionEnabled: true, ExpiresInMinutes: 60 })
  const { ExpirationDate } = set['protection'] as { ExpirationDate: string }
  expect(ExpirationDate).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
  const minutes = (Date.parse(ExpirationDate) - before) / 60_000
  expect(Math.round(minutes)).toBe(60)
  expect(aws.metadata.protectionEnabled).toBe(true)
  await clock.advance(60 * 60_000)
  expect(aws.metadata.protectionEnabled).toBe(false)
  await put({ ProtectionEnabled: true })
  expect(await put({ ProtectionEnabled: false })).toMatchObject({ status: 200, protection: off })
  expect(await put({ ProtectionEnabled: true, ExpiresInMinutes: 2881 })).toMatchObject({
    status: 400,
    error: { Code: 'InvalidParameterException' },
  })
  expect(await put('yes')).toMatchObject({ status: 400 })
  aws.metadata.task.serviceName = undefined
  expect(await put({ ProtectionEnabled: true })).toMatchObject({ failure: { Reason: 'TASK_NOT_VALID' } })
})

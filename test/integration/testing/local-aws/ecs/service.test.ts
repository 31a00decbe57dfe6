/** The scripted ECS service: real processes that are registered, replaced, and killed in the end. */
import { startLocalAws, type EcsServiceOptions, type LocalAws, type LocalEcsService } from 'onehop/testing'
import { InvalidOptionsError } from 'onehop'
import { afterEach, beforeEach, expect, test } from 'vitest'

const HOST = 'orders.shop.local'
/** A task that answers with its place, and ends at SIGTERM after `GRACE` ms; with a negative one it does not. */
const TASK = `
  const { createServer } = require('node:http')
  const { HOST, PORT, GRACE, ONEHOP_STOP_TIMEOUT_S } = process.env
  console.log('stop timeout', ONEHOP_STOP_TIMEOUT_S)
  if (GRACE === 'fails') process.exit(3)
  createServer((request, response) => response.end(HOST)).listen(Number(PORT), HOST)
  process.on('SIGTERM', () => GRACE >= 0 && setTimeout(() => process.exit(0), Number(GRACE)))
`
let aws: LocalAws
beforeEach(async () => {
  aws = await startLocalAws()
  aws.addService(HOST)
})
afterEach(() => aws.close())

function start(
  graceMs: number | 'fails',
  options: Partial<EcsServiceOptions> = {},
): Promise<LocalEcsService> {
  return aws.startEcsService({
    ...{ command: [process.execPath, '-e', TASK], host: HOST, tasks: 2, env: { GRACE: String(graceMs) } },
    ...options,
  })
}

const registered = (): readonly string[] => aws.instances(HOST).map(({ id }) => id)

test('starts tasks at addresses of their own, registers them, and gives each its metadata', async () => {
  const service = await start(0, { zones: ['eu-west-1a', 'eu-west-1b'] })
  expect(registered().toSorted()).toEqual(service.tasks.map(({ id }) => id).toSorted())
  expect(new Set(service.tasks.map(({ address }) => address)).size).toBe(2)
  for (const { address, port, metadata, state } of service.tasks) {
    expect(state).toBe('RUNNING')
    expect(await (await fetch(`http://${address}:${port}`)).text()).toBe(address)
    expect(metadata.task.ipv4).toBe(address)
  }
})

test('registers what ECS does: no port beside A records, and the attributes of the task', async () => {
  const service = await start(0, { tasks: 1, zones: ['eu-west-1a'] })
  expect(aws.instances(HOST)[0]?.attributes).toEqual({
    AWS_INSTANCE_IPV4: service.tasks[0]?.address,
    AVAILABILITY_ZONE: 'eu-west-1a',
    REGION: 'eu-west-1',
    ECS_CLUSTER_NAME: 'shop',
    ECS_SERVICE_NAME: 'orders',
    ECS_TASK_DEFINITION_FAMILY: 'orders',
  })
})

test('registers the port where the service has SRV records', async () => {
  const host = 'payments.shop.local'
  aws.addService(host, { records: ['SRV'] })
  const service = await start(0, { tasks: 1, host })
  expect(aws.instances(host)[0]?.attributes).toMatchObject({
    AWS_INSTANCE_PORT: String(service.port),
    AVAILABILITY_ZONE: 'eu-west-1b',
    ECS_SERVICE_NAME: 'payments',
    ECS_TASK_DEFINITION_FAMILY: 'payments',
  })
  expect(service.tasks[0]?.metadata.task).toMatchObject({ serviceName: 'payments', family: 'payments' })
})

/** A task that also registers itself, in the service that `CLOUD_MAP_SERVICE` names. */
const SELF_REGISTERED = `
  import { createServer } from 'node:http'
  import { register } from 'onehop/ecs'
  const { HOST, PORT, CLOUD_MAP_SERVICE } = process.env
  const server = createServer((request, response) => response.end()).listen(Number(PORT), HOST)
  const registration = register({ services: { service: CLOUD_MAP_SERVICE, port: server } })
  registration.registered.catch(({ failure }) => console.log('failure:', failure))
`
const selfRegistered = (options: Partial<EcsServiceOptions> = {}): Promise<LocalEcsService> =>
  start(0, {
    command: [process.execPath, '--conditions=onehop:source', '--input-type=module', '-e', SELF_REGISTERED],
    env: { CLOUD_MAP_SERVICE: HOST },
    ...options,
  })

test('register() where ECS registers the task is a conflict, as on ECS', async () => {
  const service = await selfRegistered({ tasks: 1 })
  await expect.poll(() => service.tasks[0]?.output, { timeout: 10_000 }).toContain('failure: conflict')
})

test('readiness of a task that registers itself goes by its own instance', async () => {
  await selfRegistered({ tasks: 2, registeredBy: 'task' })
  await start(0, { tasks: 1 })
  aws.cloudMap.faults.answer = 'deny'
  const known = registered()
  expect(known).toHaveLength(3)
  await expect(selfRegistered({ tasks: 1, registeredBy: 'task', startWithinMs: 3_000 })).rejects.toThrow(
    /^the task is not ready in 3000 ms: it listens on 127\.\d+\.\d+\.\d+:\d+, and nothing is registered there; its output: failure: denied/,
  )
  expect(registered()).toEqual(known)
})

test('a task that is not ready is reported with what is known', async () => {
  await expect(start(0, { tasks: 1, registeredBy: 'task', startWithinMs: 1_000 })).rejects.toThrow(
    /and nothing is registered there; its output: stop timeout 30/,
  )
  const silent = [process.execPath, '-e', 'setInterval(() => undefined, 1_000)']
  await expect(start(0, { tasks: 1, command: silent, startWithinMs: 500 })).rejects.toThrow(
    /^the task is not ready in 500 ms: it does not listen on 127\.\d+\.\d+\.\d+:\d+ \(HOST and PORT\); it has no output$/,
  )
  const short = [process.execPath, '-e', 'process.exit(4)']
  await expect(start(0, { tasks: 1, command: short })).rejects.toThrow(
    /^the task ended before it was ready: exit code 4; it has no output$/,
  )
})

test('services of one local AWS share no address', async () => {
  const first = await start(0)
  const second = await start(0)
  expect(new Set([...first.tasks, ...second.tasks].map(({ address }) => address)).size).toBe(4)
})

test('a deployment starts a task before it stops one, sends SIGTERM, and deregisters late', async () => {
  const service = await start(100, { deregisterAfterMs: 300 })
  const [first] = service.tasks
  const deployed = service.deploy()
  await expect.poll(() => first?.state, { timeout: 20_000 }).toBe('DEACTIVATING')
  expect(service.tasks[2]?.state).toBe('RUNNING')
  expect(registered()).toContain(first?.id)
  const old = await deployed
  for (const task of old) expect(await task.exited).toMatchObject({ code: 0, signal: null })
  expect(old[0]?.output).toBe('stop timeout 30\n')
  await expect.poll(registered, { timeout: 10_000 }).toEqual(service.tasks.slice(2).map(({ id }) => id))
})

test('SIGKILL follows after the stop timeout', async () => {
  const service = await start(-1, { stopTimeoutMs: 300, tasks: 1 })
  const exit = await service.tasks[0]?.stop()
  expect(exit).toMatchObject({ code: null, signal: 'SIGKILL' })
  expect(exit?.tookMs).toBeGreaterThanOrEqual(300)
  expect(registered()).toEqual([])
})

test('a task that ends by itself is deregistered, and one that cannot start is reported with its output', async () => {
  const service = await start(0, { tasks: 1 })
  service.tasks[0]?.signal('SIGKILL')
  expect(await service.tasks[0]?.exited).toMatchObject({ signal: 'SIGKILL', tookMs: undefined })
  await expect.poll(registered, { timeout: 10_000 }).toEqual([])
  await expect(start('fails', { tasks: 1 })).rejects.toThrow(
    'before it was ready: exit code 3; its output: stop timeout 30',
  )
  await expect(start(0, { tasks: 1, command: ['no-such-program'] })).rejects.toThrow(
    'it could not be started; its output: no-such-program',
  )
})

test('close() ends everything; nothing starts afterwards', async () => {
  const service = await start(-1)
  await service.close()
  expect(service.tasks.map(({ state }) => state)).toEqual(['STOPPED', 'STOPPED'])
  expect(registered()).toEqual([])
  await expect(service.add()).rejects.toThrow('the service is closed')
})

test.each([
  ['tasks', { tasks: 0 }],
  ['command', { command: 'node' }],
  ['registeredBy', { registeredBy: 'me' }],
  ['stopTimeout', { stopTimeout: 1 }],
])('%s: not allowed', async (option, options) => {
  const started = start(0, options as never)
  await expect(started).rejects.toThrow(InvalidOptionsError)
  await expect(started).rejects.toMatchObject({ option })
})

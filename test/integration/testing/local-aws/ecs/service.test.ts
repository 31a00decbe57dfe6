/** The scripted ECS service: real processes that are registered, replaced, and killed in the end. */
import { startLocalAws, type EcsServiceOptions, type LocalAws, type LocalEcsService } from 'onehop/testing'
import { InvalidOptionsError } from 'onehop'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { hourClock, HOUR_MS, type HourClock } from '../../../../support/hour-clock.ts'
import { resources } from '../../../../support/resources.ts'
import { TestServer } from '../../../../support/servers.ts'

// A test starts up to five processes.
vi.setConfig({ testTimeout: 90_000 })

const { keep } = resources()
const HOST = 'orders.shop.local'
/** On a busy machine. */
const PATIENT = { timeout: 20_000 }

/**
 * A task that answers with its place, and ends at SIGTERM after `GRACE` ms; with a negative one it does not. `LISTENER`
 * hears when it listens and when it gets SIGTERM, and holds it until it has answered.
 */
const TASK = `
  const { createServer } = require('node:http')
  const { HOST, PORT, GRACE, LISTENER, ONEHOP_STOP_TIMEOUT_S } = process.env
  const say = (what) => LISTENER === undefined ? Promise.resolve() : fetch(LISTENER + what)
  console.log('stop timeout', ONEHOP_STOP_TIMEOUT_S)
  if (GRACE === 'fails') process.exit(3)
  process.on('SIGTERM', () => GRACE >= 0 &&
    say('/stops').then(() => setTimeout(() => process.exit(0), Number(GRACE))))
  createServer((request, response) => response.end(HOST)).listen(Number(PORT), HOST, () => say('/listens'))
`
let aws: LocalAws
/** Processes start and end when the machine has time for them. */
let clock: HourClock
beforeEach(async () => {
  clock = hourClock()
  aws = await startLocalAws({ clock })
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

/** Where tasks say how far they are. @param heard what is done before the task goes on */
async function listener(heard: (what: string) => unknown): Promise<string> {
  const server = new TestServer((request, response) => {
    void Promise.resolve(heard(request.url ?? '')).finally(() => response.end())
  })
  return `http://${keep(await server.listen('127.0.0.1')).label}`
}

/** Lets hours pass until it has failed; the first one begins somewhere in its start. */
async function overdue(started: Promise<unknown>): Promise<Error> {
  let failure: Error | undefined
  started.catch((error: Error) => (failure = error))
  for (;;) {
    await clock.pass(HOUR_MS + 1)
    await new Promise((resolve) => setTimeout(resolve, 10))
    if (failure !== undefined) return failure
  }
}

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
  const { HOST, PORT, CLOUD_MAP_SERVICE, LISTENER } = process.env
  const server = createServer((request, response) => response.end()).listen(Number(PORT), HOST)
  const registration = register({ services: { service: CLOUD_MAP_SERVICE, port: server } })
  registration.registered.catch(({ failure }) => {
    console.log('failure:', failure)
    if (LISTENER !== undefined) fetch(LISTENER + '/failed')
  })
`
const selfRegistered = (options: Partial<EcsServiceOptions> = {}): Promise<LocalEcsService> =>
  start(0, {
    command: [process.execPath, '--conditions=onehop:source', '--input-type=module', '-e', SELF_REGISTERED],
    ...options,
    env: { CLOUD_MAP_SERVICE: HOST, ...options.env },
  })

test('register() where ECS registers the task is a conflict, as on ECS', async () => {
  const service = await selfRegistered({ tasks: 1 })
  await expect.poll(() => service.tasks[0]?.output, PATIENT).toContain('failure: conflict')
})

test('readiness of a task that registers itself goes by its own instance', async () => {
  await selfRegistered({ tasks: 2, registeredBy: 'task' })
  await start(0, { tasks: 1 })
  aws.cloudMap.faults.answer = 'deny'
  const known = registered()
  expect(known).toHaveLength(3)
  const failed = Promise.withResolvers<void>()
  const LISTENER = await listener(() => failed.resolve())
  const options = { tasks: 1, registeredBy: 'task', startWithinMs: HOUR_MS, env: { LISTENER } } as const
  const started = selfRegistered(options)
  await Promise.race([failed.promise, started])
  const { message } = await overdue(started)
  expect(message).toMatch(
    /^the task is not ready in 3600000 ms: it listens on 127\.\d+\.\d+\.\d+:\d+, and nothing is registered there; its output: failure: denied/,
  )
  expect(registered()).toEqual(known)
})

test('a task that is not ready is reported with what is known', async () => {
  const listens = Promise.withResolvers<void>()
  const LISTENER = await listener(() => listens.resolve())
  const env = { GRACE: '0', LISTENER }
  const unregistered = start(0, { tasks: 1, registeredBy: 'task', startWithinMs: HOUR_MS, env })
  await Promise.race([listens.promise, unregistered])
  expect((await overdue(unregistered)).message).toMatch(
    /and nothing is registered there; its output: stop timeout 30/,
  )
  const silent = [process.execPath, '-e', 'setInterval(() => undefined, 1_000)']
  const unheard = start(0, { tasks: 1, command: silent, startWithinMs: HOUR_MS })
  expect((await overdue(unheard)).message).toMatch(
    /^the task is not ready in 3600000 ms: it does not listen on 127\.\d+\.\d+\.\d+:\d+ \(HOST and PORT\); it has no output$/,
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
  const stopped: unknown[] = []
  // While the first one that gets SIGTERM waits for the answer.
  const LISTENER = await listener((what) => {
    const [first, , third] = service.tasks
    if (what === '/stops' && stopped.length < 1)
      stopped.push([first?.state, third?.state, registered().includes(first?.id ?? '')])
  })
  const service = await start(0, { deregisterAfterMs: HOUR_MS, env: { GRACE: '0', LISTENER } })
  const old = await service.deploy()
  expect(stopped).toEqual([['DEACTIVATING', 'RUNNING', true]])
  for (const task of old) expect(await task.exited).toMatchObject({ code: 0, signal: null })
  expect(old[0]?.output).toBe('stop timeout 30\n')
  expect(registered()).toHaveLength(4)
  await clock.pass(HOUR_MS)
  expect(registered()).toEqual(service.tasks.slice(2).map(({ id }) => id))
})

test('SIGKILL follows after the stop timeout', async () => {
  const service = await start(-1, { stopTimeoutMs: HOUR_MS, tasks: 1 })
  const exit = service.tasks[0]?.stop()
  await clock.pass(HOUR_MS - 1)
  expect(service.tasks[0]?.state).toBe('DEACTIVATING')
  await clock.pass(1)
  expect(await exit).toEqual({ code: null, signal: 'SIGKILL', tookMs: HOUR_MS })
  expect(registered()).toEqual([])
})

test('a task that ends by itself is deregistered, and one that cannot start is reported with its output', async () => {
  const service = await start(0, { tasks: 1 })
  service.tasks[0]?.signal('SIGKILL')
  expect(await service.tasks[0]?.exited).toMatchObject({ signal: 'SIGKILL', tookMs: undefined })
  await expect.poll(registered, PATIENT).toEqual([])
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

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
  const second = aws.instances(HOST).find(({ id }) => id === service.tasks[1]?.id)
  expect(second?.attributes).toMatchObject({
    AWS_INSTANCE_IPV4: service.tasks[1]?.address,
    AVAILABILITY_ZONE: 'eu-west-1b',
  })
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
  await expect(start('fails', { tasks: 1 })).rejects.toThrow('before it was ready: stop timeout 30')
  await expect(start(0, { tasks: 1, command: ['no-such-program'] })).rejects.toThrow('no-such-program')
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

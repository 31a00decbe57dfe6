import { connect } from 'node:net'
import { startFleet, type Fleet, type FleetTask } from 'onehop/testing'
import { Agent, request } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { cert, ca, key } from '../support/tls.ts'

let agent: Agent
let fleet: Fleet | undefined

beforeEach(() => {
  agent = new Agent({ headersTimeout: 300, connections: 1 })
})
afterEach(async () => {
  await agent.destroy()
  await fleet?.close()
})

interface Told {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly body: Record<string, unknown>
}

async function ask(
  task: FleetTask,
  options: { back?: boolean; method?: 'POST'; body?: string } = {},
): Promise<Told> {
  const { back = false, ...rest } = options
  const url = `http://${back ? task.backAddress : task.address}:${task.port}/v1/orders?q=1`
  const { statusCode, headers, body } = await request(url, { dispatcher: agent, ...rest })
  const text = await body.text()
  return {
    status: statusCode,
    headers,
    body: text === '' ? {} : (JSON.parse(text) as Record<string, unknown>),
  }
}

async function only(processes: boolean): Promise<FleetTask> {
  fleet = await startFleet({ tasks: 1, processes, zones: ['eu-west-1a'] })
  return fleet.tasks[0] as FleetTask
}

describe.each([
  ['within this process', false],
  ['as processes', true],
])('a fleet %s', (_where, processes) => {
  test('has tasks on addresses of their own that share one port, with zones in turn', async () => {
    fleet = await startFleet({ tasks: 3, processes, zones: ['eu-west-1a', 'eu-west-1b'] })
    expect(fleet.tasks.map(({ id, address, zone }) => [id, address, zone])).toEqual([
      ['task-1', '127.0.1.1', 'eu-west-1a'],
      ['task-2', '127.0.1.2', 'eu-west-1b'],
      ['task-3', '127.0.1.3', 'eu-west-1a'],
    ])
    expect(new Set(fleet.tasks.map(({ port }) => port))).toEqual(new Set([fleet.port]))
    const fourth = await fleet.add()
    expect(fourth).toMatchObject({ id: 'task-4', address: '127.0.1.4', port: fleet.port, alive: true })
    expect((await ask(fourth)).status).toBe(200)
  })

  test('answers with what came in, and counts it', async () => {
    const task = await only(processes)
    const { body, headers } = await ask(task, { method: 'POST', body: '12345' })
    expect(headers['x-task']).toBe('task-1')
    expect(body).toEqual({
      task: 'task-1',
      zone: 'eu-west-1a',
      method: 'POST',
      path: '/v1/orders?q=1',
      host: `127.0.1.1:${task.port}`,
      bytes: 5,
    })
    await ask(task)
    expect(await task.stats()).toEqual({
      requests: 2,
      byMethod: { GET: 1, POST: 1 },
      inFlight: 0,
      connections: 1,
    })
  })

  test('has faults that come and go', async () => {
    const task = await only(processes)
    await task.set({ kind: 'status', status: 503, retryAfter: '2' })
    expect(await ask(task)).toMatchObject({ status: 503, headers: { 'retry-after': '2' } })
    await task.set({ kind: 'hang' })
    await expect(ask(task)).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' })
    await task.set({ kind: 'reset' })
    await expect(ask(task)).rejects.toThrow()
    await task.set({ kind: 'reset-mid-body' })
    await expect(ask(task)).rejects.toThrow()
    await task.set({ kind: 'slow', delayMs: 50 })
    const start = performance.now()
    expect((await ask(task)).status).toBe(200)
    expect(performance.now() - start).toBeGreaterThanOrEqual(49)
    await task.set({ kind: 'none' })
    expect((await ask(task)).status).toBe(200)
  })

  test('cut refuses new clients and sends those connected away, the back side goes on, restore undoes it', async () => {
    const task = await only(processes)
    await ask(task)
    await task.cut()
    const last = await ask(task)
    expect(last).toMatchObject({ status: 200, headers: { connection: 'close' } })
    await expect(ask(task)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect((await ask(task, { back: true })).headers['connection']).toBe('keep-alive')
    await task.restore()
    expect((await ask(task)).headers['connection']).toBe('keep-alive')
  })

  test('kill breaks what is in flight, and what comes after is refused', async () => {
    const task = await only(processes)
    await task.set({ kind: 'hang' })
    const hanging = ask(task)
    const broken = expect(hanging).rejects.toThrow()
    await expect.poll(async () => (await task.stats()).inFlight).toBe(1)
    await task.kill()
    await broken
    expect(task.alive).toBe(false)
    await expect(ask(task)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('shutdown answers what was taken, then ends', async () => {
    const task = await only(processes)
    await task.set({ kind: 'slow', delayMs: 100 })
    const taken = ask(task)
    await expect.poll(async () => (await task.stats()).inFlight).toBe(1)
    await task.shutdown()
    expect((await taken).status).toBe(200)
    expect(task.alive).toBe(false)
    await expect(ask(task)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

test('a stopped process keeps its connections, accepts new ones, and answers when it goes on', async () => {
  const task = await only(true)
  await ask(task)
  await task.stop()
  await expect(ask(task)).rejects.toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' })
  await new Promise((resolve, reject) => {
    const socket = connect(task.port, task.address, () => resolve(socket.destroy())).once('error', reject)
  })
  await task.resume()
  await expect
    .poll(() =>
      ask(task).then(
        ({ status }) => status,
        () => 0,
      ),
    )
    .toBe(200)
})

test('close ends processes whatever state they are in', async () => {
  const task = await only(true)
  await task.stop()
  await fleet?.close()
  expect(() => process.kill(task.pid ?? 0, 0)).toThrow('ESRCH')
})

test('a handler of the user answers in place of the default', async () => {
  fleet = await startFleet({
    tasks: 1,
    handler: (incoming, response) => void response.end(JSON.stringify({ mine: incoming.url })),
  })
  expect((await ask(fleet.tasks[0] as FleetTask)).body).toEqual({ mine: '/v1/orders?q=1' })
})

test('tasks speak HTTPS with the key and certificate that they are given', async () => {
  fleet = await startFleet({ tasks: 1, tls: { key, cert } })
  const secure = new Agent({ connect: { ca, servername: 'orders.shop.local' } })
  const { statusCode, body } = await request(`https://127.0.1.1:${fleet.port}/`, { dispatcher: secure })
  expect(statusCode).toBe(200)
  await body.text()
  await secure.close()
})

test('what cannot be is refused at once', async () => {
  await expect(startFleet({ tasks: 0 })).rejects.toThrow('tasks: got 0; allowed: an integer from 1 to 200')
  await expect(startFleet({ tasks: 1, processes: true, handler: () => undefined })).rejects.toThrow(
    'handler:',
  )
  const task = await only(false)
  await expect(task.stop()).rejects.toThrow('startFleet({ processes: true })')
})

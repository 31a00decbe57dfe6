import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect as connectHttp2 } from 'node:http2'
import { connect, createServer, type AddressInfo } from 'node:net'
import { manualClock, startFleet, type Fleet, type FleetOptions, type FleetTask } from 'onehop/testing'
import { Agent, request } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TaskServer } from '../../../../src/testing/fleet/task-server.ts'
import { cert, ca, key } from '../../../support/transports/tls.ts'

/** Node 22 takes a reset for an end where it reads both at once: data, and the reset behind it. */
const BROKEN_OFF = /ECONNRESET|other side closed/

/** On a busy machine. */
const PATIENT = { timeout: 20_000 }

let agent: Agent
/** Waits for no answer: a task that hangs is asked by it. */
let impatient: Agent
let fleet: Fleet | undefined

beforeEach(() => {
  agent = new Agent({ connections: 1 })
  impatient = new Agent({ headersTimeout: 300 })
})
afterEach(async () => {
  await Promise.all([agent.destroy(), impatient.destroy()])
  await fleet?.close()
})

interface Told {
  readonly status: number
  readonly headers: Record<string, unknown>
  readonly body: Record<string, unknown>
}

function urlOf(task: FleetTask, back = false): string {
  return `http://${back ? task.backAddress : task.address}:${task.port}/v1/orders?q=1`
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function ask(
  task: FleetTask,
  options: { back?: boolean; method?: 'POST'; body?: string; dispatcher?: Agent } = {},
): Promise<Told> {
  const { back = false, dispatcher = agent, ...rest } = options
  const { statusCode, headers, body } = await request(urlOf(task, back), { dispatcher, ...rest })
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
    await expect(ask(task, { dispatcher: impatient })).rejects.toMatchObject({
      code: 'UND_ERR_HEADERS_TIMEOUT',
    })
    await task.set({ kind: 'reset' })
    await expect(ask(task)).rejects.toThrow()
    await task.set({ kind: 'reset-mid-body' })
    await expect(ask(task)).rejects.toThrow()
    await task.set({ kind: 'reset-mid-headers' })
    await expect(ask(task)).rejects.toThrow()
    await task.set({ kind: 'reset-on-accept' })
    const { requests } = await task.stats()
    await expect(ask(task)).rejects.toThrow()
    await expect.poll(() => task.stats()).toMatchObject({ requests, connections: 0 })
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

  test('shutdown with grace answers on connections that are open, and ends when the last has closed', async () => {
    fleet = await startFleet({ tasks: 1, processes, graceMs: 20_000 })
    const [task] = fleet.tasks
    if (task === undefined) throw new Error('no tasks')
    await ask(task)
    const shutdown = task.shutdown()
    const meetsRefusal = async (): Promise<boolean> => {
      const socket = connect(task.port, task.address)
      const refused = await once(socket, 'connect').then(
        () => false,
        () => true,
      )
      socket.destroy()
      return refused
    }
    await expect.poll(meetsRefusal).toBe(true)
    expect(await ask(task)).toMatchObject({ status: 200, headers: { connection: 'close' } })
    await shutdown
  })

  test('an answer that breaks off has shown its status', async () => {
    const task = await only(processes)
    await task.set({ kind: 'reset-mid-body' })
    const { statusCode, body } = await request(urlOf(task), { dispatcher: agent })
    expect(statusCode).toBe(200)
    await expect(body.text()).rejects.toThrow(BROKEN_OFF)
  })

  test('close ends a task whose shutdown waits for a request that hangs', async () => {
    const task = await only(processes)
    await task.set({ kind: 'hang' })
    const broken = expect(ask(task)).rejects.toThrow(BROKEN_OFF)
    await expect.poll(async () => (await task.stats()).inFlight).toBe(1)
    const shutdown = task.shutdown()
    await fleet?.close()
    await Promise.all([shutdown, broken])
    if (task.pid !== undefined) expect(isRunning(task.pid)).toBe(false)
  })

  test('shutdown does not wait for connections on which nothing was asked', async () => {
    const task = await only(processes)
    const socket = connect(task.port, task.address)
    await once(socket, 'connect')
    await expect.poll(async () => (await task.stats()).connections).toBe(1)
    const closed = once(socket, 'close')
    await task.shutdown()
    await closed
  })

  test('takes additions at the same time, each on an address of its own', async () => {
    fleet = await startFleet({ tasks: 1, processes })
    await Promise.all([fleet.add(), fleet.add()])
    expect(fleet.tasks.map(({ address }) => address)).toEqual(['127.0.1.1', '127.0.1.2', '127.0.1.3'])
  })

  test('ends what it is adding when it is closed, and takes no additions from then on', async () => {
    fleet = await startFleet({ tasks: 1, processes })
    const adding = fleet.add()
    await fleet.close()
    expect((await adding).alive).toBe(false)
    await expect(fleet.add()).rejects.toMatchObject({ code: 'ONEHOP_CLOSED' })
  })

  test('a task that has ended says so, whatever is asked of it, and stays down', async () => {
    const task = await only(processes)
    await task.kill()
    for (const asked of [
      () => task.stats(),
      () => task.set({ kind: 'none' }),
      () => task.cut(),
      () => task.restore(),
    ])
      await expect(asked()).rejects.toThrow('task-1 has ended')
    await expect(ask(task)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await task.kill()
    await task.shutdown()
  })

  test('over HTTPS, has the same faults and the same two sides', async () => {
    fleet = await startFleet({ tasks: 1, processes, tls: { key, cert } })
    const task = fleet.tasks[0] as FleetTask
    const secure = new Agent({ connect: { ca, servername: 'orders.shop.local' }, connections: 1 })
    const get = async (address = task.address): Promise<unknown> => {
      const { headers, body } = await request(`https://${address}:${task.port}/`, { dispatcher: secure })
      await body.text()
      return headers['connection']
    }
    try {
      await task.set({ kind: 'reset' })
      await expect(get()).rejects.toThrow(BROKEN_OFF)
      await task.set({ kind: 'reset-mid-body' })
      await expect(get()).rejects.toThrow(BROKEN_OFF)
      await task.set({ kind: 'none' })
      expect(await get()).toBe('keep-alive')
      await task.cut()
      expect(await get()).toBe('close')
      expect(await get(task.backAddress)).toBe('keep-alive')
    } finally {
      await secure.destroy()
    }
  })

  test('over HTTP/2, resets connections, and sends clients away with GOAWAY', async () => {
    fleet = await startFleet({ tasks: 1, processes, tls: { key, cert, http2: true } })
    const task = fleet.tasks[0] as FleetTask
    const origin = `https://${task.address}:${task.port}`
    const tls = { ca, servername: 'orders.shop.local' }
    const secure = new Agent({ connect: tls, allowH2: true })
    try {
      for (const kind of ['reset', 'reset-mid-headers', 'reset-mid-body'] as const) {
        await task.set({ kind })
        const answer = request(origin, { dispatcher: secure }).then(({ body }) => body.text())
        // Of a body that broke off undici says how it notices.
        await expect(answer).rejects.toThrow(kind === 'reset-mid-body' ? /length does not match/ : BROKEN_OFF)
      }
      await task.set({ kind: 'none' })
      const { body } = await request(origin, { dispatcher: secure })
      expect(await body.json()).toMatchObject({ task: 'task-1' })
    } finally {
      await secure.destroy()
    }

    const session = connectHttp2(origin, tls)
    await once(session, 'connect')
    const goaway = once(session, 'goaway')
    await task.cut()
    const stream = session.request({ ':path': '/' }).resume()
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
    expect(headers[':status']).toBe(200)
    await goaway
    await task.restore()

    const idle = connectHttp2(origin, tls)
    await once(idle, 'connect')
    const left = once(idle, 'close')
    await task.shutdown()
    await left
  })
})

test('a stopped process keeps its connections, accepts new ones, and answers when it goes on', async () => {
  const task = await only(true)
  await ask(task)
  await task.stop()
  await expect(ask(task, { dispatcher: impatient })).rejects.toMatchObject({
    code: 'UND_ERR_HEADERS_TIMEOUT',
  })
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

test('a stopped process says that it hears nothing, and hears again when it goes on', async () => {
  const task = await only(true)
  await task.stop()
  await expect(task.stats()).rejects.toThrow('task-1 is stopped')
  await task.resume()
  expect((await task.stats()).requests).toBe(0)
})

test('close ends processes that are stopped, and those that were stopped while they shut down', async () => {
  fleet = await startFleet({ tasks: 2, processes: true })
  const pids = fleet.tasks.map(({ pid }) => pid ?? 0)
  await Promise.all(fleet.tasks.map((task) => task.stop()))
  const shutdown = fleet.tasks[1]?.shutdown()
  await fleet.close()
  await shutdown
  expect(pids.map(isRunning)).toEqual([false, false])
  await expect(fleet.tasks[0]?.stop()).rejects.toThrow('task-1 has ended')
})

test('stats() of a process that was killed from outside fails, and nothing else', async () => {
  const task = await only(true)
  process.kill(task.pid ?? 0, 'SIGKILL')
  await expect
    .poll(() =>
      task.stats().then(
        () => 'alive',
        (error: Error) => error.message,
      ),
    )
    .toBe('task-1 has ended')
  expect(task.alive).toBe(false)
})

/** Another process that starts a fleet. @param script prints the ids of the fleet's processes */
async function startParent(script: string): Promise<{ parent: ChildProcess; pids: number[] }> {
  const flags = ['--conditions=onehop:source', '--input-type=module', '--eval']
  const program = `import { startFleet } from 'onehop/testing'\n${script}`
  const parent = spawn(process.execPath, [...flags, program], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [printed] = (await once(parent.stdout, 'data')) as [Buffer]
  return { parent, pids: String(printed).split(' ').map(Number) }
}

test.each(['SIGKILL', 'SIGTERM'] as const)('processes end when their parent ends by %s', async (signal) => {
  const { parent, pids } = await startParent(
    `const fleet = await startFleet({ tasks: 2, processes: true })
     process.stdout.write(fleet.tasks.map(({ pid }) => pid).join(' '))`,
  )
  expect(pids.map(isRunning)).toEqual([true, true])
  parent.kill(signal)
  await expect.poll(() => pids.map(isRunning), PATIENT).toEqual([false, false])
})

test('a stopped process ends with a parent that exits', async () => {
  const { pids } = await startParent(
    `const { tasks: [task] } = await startFleet({ tasks: 1, processes: true })
     await task.stop()
     process.stdout.write(String(task.pid), () => process.exit(0))`,
  )
  await expect.poll(() => pids.map(isRunning), PATIENT).toEqual([false])
})

test('a killed task does none of the work that it was slow to begin', async () => {
  const clock = manualClock()
  let served = 0
  const place = { id: 'task-1', zone: undefined, address: '127.0.1.1', backAddress: '127.0.1.1' }
  const server = new TaskServer(place, { handler: () => void served++, clock })
  await server.listen(0)
  await server.set({ kind: 'slow', delayMs: 1_000 })
  const broken = expect(request(`http://127.0.1.1:${server.port}/`, { dispatcher: agent })).rejects.toThrow()
  await expect.poll(() => clock.pendingTimers).toBe(1)
  await server.kill()
  await broken
  await expect.poll(() => clock.pendingTimers).toBe(0)
  await clock.advance(1_000)
  expect(served).toBe(0)
})

test('a task whose back side cannot listen leaves no listener behind', async () => {
  const taken = createServer().listen(0, '127.0.2.1')
  await once(taken, 'listening')
  const { port } = taken.address() as AddressInfo
  const place = { id: 'task-1', zone: undefined, address: '127.0.1.1', backAddress: '127.0.2.1' }
  const server = new TaskServer(place, {})
  await expect(server.listen(port)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  const [error] = (await once(connect(port, '127.0.1.1'), 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')
  await new Promise((resolve) => taken.close(resolve))
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

test.each([
  [{ tasks: 0 }, 'tasks: got 0; allowed: an integer from 1 to 200'],
  [{ tasks: 1, process: true }, 'process: no such option; did you mean processes?'],
  [{ tasks: 1, processes: 'yes' }, 'processes: got "yes"'],
  [{ tasks: 1, zones: ['eu-west-1a', 2] }, 'zones[1]: got 2'],
  [{ tasks: 1, tls: { key: 'k' } }, 'tls.cert: got undefined; allowed: a certificate in PEM'],
  [{ tasks: 1, tls: { key, cert, http2: 2 } }, 'tls.http2: got 2'],
  [{ tasks: 1, handler: 5 }, 'handler: got 5'],
  [{ tasks: 1, processes: true, handler: () => undefined }, 'handler: got a function; allowed: none'],
])('%j is refused at once', async (options, message) => {
  const refused = startFleet(options as FleetOptions)
  await expect(refused).rejects.toMatchObject({ code: 'ONEHOP_INVALID_OPTIONS' })
  await expect(refused).rejects.toThrow(message)
})

test('a task within this process cannot be stopped', async () => {
  const task = await only(false)
  await expect(task.stop()).rejects.toThrow('startFleet({ processes: true })')
})

test('a fleet grows to 200 tasks, and no further', async () => {
  fleet = await startFleet({ tasks: 200 })
  await expect(fleet.add()).rejects.toThrow('a fleet has at most 200 tasks')
})

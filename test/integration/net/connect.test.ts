import { AsyncLocalStorage } from 'node:async_hooks'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import net from 'node:net'
import { pipeline } from 'node:stream/promises'
import { promisify } from 'node:util'
import { onEvent, p2c, taskEndpoint, type Client, type ClientOptions, type UpstreamInspection } from 'onehop'
import { connect } from 'onehop/net'
import { manualClock, type ManualClock } from 'onehop/testing'
import { describe, expect, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { clientOf } from '../../support/clients.ts'
import { compute } from '../../support/compute.ts'
import { EchoServer } from '../../support/echo-server.ts'
import { eventsOf } from '../../support/events.ts'
import { isCollected } from '../../support/garbage.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress } from '../../support/servers.ts'
import { dueIn } from '../../support/timers.ts'

const { keep } = resources()
const HOST = 'db.shop.local'
/** For connections that are to be in the making for as long as a test needs. */
const PATIENT = { timeouts: { connectMs: 120_000 } }

async function tasks(count: number): Promise<EchoServer[]> {
  const started = Array.from({ length: count }, (_, index) => EchoServer.start(`127.0.1.${index + 1}`))
  return (await Promise.all(started)).map(keep)
}

/** @param clock the client's, on which ejections end. Limits of connections are real. */
function world(
  answer: Parameters<typeof clientOf>[0],
  options: ClientOptions = {},
  clock: ManualClock = manualClock(),
) {
  const client = clientOf(answer, { clock, ...options })
  keep({
    async [Symbol.asyncDispose]() {
      const closed = client.close({ withinMs: 0 })
      await clock.advance(0)
      await closed
    },
  })
  return client
}

/** An address where SYNs are dropped. */
async function silentAddress(): Promise<string> {
  const label = await refusingAddress('127.0.1.9')
  keep(await BlackHole.start('127.0.1.9', Number(label.split(':')[1])))
  return label
}

async function firstText(socket: net.Socket): Promise<string> {
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  return String(chunk)
}

function upstream(client: Client, label: string): UpstreamInspection | undefined {
  return Object.values(client.inspect().services[HOST]?.origins ?? {})
    .flatMap(({ upstreams }) => upstreams)
    .find((known) => known.upstream === label)
}

async function failureOf(socket: net.Socket): Promise<NodeJS.ErrnoException> {
  const closed = once(socket, 'close').catch(() => undefined)
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException]
  await closed
  return error
}

async function underWay(client: Client, expected: number): Promise<void> {
  await expect.poll(() => client.inspect().callsUnderWay, { interval: 5 }).toBe(expected)
}

describe('connects', () => {
  test('to a task per socket, at the port that discovery knows', async () => {
    const servers = await tasks(3)
    const client = world(servers)
    const sockets = Array.from({ length: 6 }, () => connect(client, { host: HOST }))
    const labels = await Promise.all(sockets.map(firstText))
    expect(labels.toSorted()).toEqual(servers.flatMap(({ label }) => [label, label]).toSorted())
    expect(upstream(client, servers[0]?.label as string)).toMatchObject({ pending: 2, requests: 0 })
    for (const socket of sockets) socket.destroy()
    await underWay(client, 0)
    expect(upstream(client, servers[0]?.label as string)).toMatchObject({
      pending: 0,
      requests: 2,
      failures: 0,
    })
  })

  test('with a socket of Node’s, before anything is known of the service', async () => {
    const [server] = await tasks(1)
    const known = Promise.withResolvers<string[]>()
    const client = world(known.promise)
    const socket = connect(client, { host: HOST })
    const events: string[] = []
    for (const name of ['lookup', 'connect', 'ready', 'close']) socket.on(name, () => events.push(name))
    expect(socket).toBeInstanceOf(net.Socket)
    expect([socket.connecting, socket.pending, socket.readyState]).toEqual([true, true, 'opening'])
    const written = socket.write('early ')
    expect(written).toBe(true)
    socket.setNoDelay(true).setKeepAlive(true, 1_000).setTimeout(5_000)
    socket.end('and late')
    known.resolve([server?.label as string])
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    expect(text).toBe(`${server?.label}early and late`)
    expect(socket.bytesWritten).toBe(14)
    await expect.poll(() => events.filter((name) => name !== 'lookup')).toEqual(['connect', 'ready', 'close'])
  })

  test('by the port of the caller, also where it is the default of a scheme', async () => {
    const [server] = await tasks(1)
    const client = world(['127.0.1.1:1'])
    const socket = connect(client, { host: HOST, port: server?.port })
    expect(await firstText(socket)).toBe(server?.label)
    socket.destroy()
    // Nothing listens there: the port is what matters.
    for (const port of [80, 443]) {
      const error = await failureOf(connect(client, { host: HOST, port }))
      expect(error).toMatchObject({ code: 'ECONNREFUSED', port })
    }
  })

  test('connect() of a driver only adds its listener', async () => {
    const [server] = await tasks(1)
    const client = world([server as EchoServer])
    const socket = connect(client, { host: HOST })
    const connected = new Promise((resolve) => socket.connect(1, 'elsewhere.example', () => resolve(true)))
    expect(await connected).toBe(true)
    expect(socket.remotePort).toBe(server?.port)
    socket.destroy()
    await once(socket, 'close')
    expect(() => socket.connect(1)).toThrow('[ONEHOP_CLOSED] the socket is closed')
  })

  test('holds its place until it is closed, so that the next goes where fewest are open', async () => {
    const servers = await tasks(2)
    const client = world(servers, { balancer: p2c() })
    const sockets: net.Socket[] = []
    for (let count = 0; count < 40; count++) {
      const socket = connect(client, { host: HOST })
      await once(socket, 'connect')
      sockets.push(socket)
    }
    await expect.poll(() => servers.map(({ sockets: open }) => open.size)).toEqual([20, 20])
    for (const socket of sockets) socket.destroy()
  })

  test('without a port, where discovery knows none, it says so', async () => {
    const client = world([taskEndpoint('127.0.1.1')])
    const error = await failureOf(connect(client, { host: HOST }))
    expect(error).toMatchObject({ code: 'ONEHOP_INVALID_OPTIONS', option: 'connect.port' })
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('a host that is not discovered is Node’s business', async () => {
    const [server] = await tasks(1)
    const client = world([])
    const socket = connect(client, { host: 'localhost', port: 1 })
    const plain = net.connect({ host: 'localhost', port: 1 })
    const [ours, own] = await Promise.all([failureOf(socket), failureOf(plain)])
    expect({ ...ours, message: ours.message }).toEqual({ ...own, message: own.message })
    const reached = connect(client, { host: '127.0.1.1', port: server?.port })
    reached.connect(1, 'elsewhere.example')
    expect(await firstText(reached)).toBe(server?.label)
    reached.destroy()
    expect(client.resolver.lookups).toHaveLength(0)
    expect(() => connect(client, { host: 'localhost' })).toThrow('localhost is not discovered')
  })
})

describe('a connection that cannot be made', () => {
  test('what was written, and the end of it, go with it', async () => {
    const [server] = await tasks(1)
    const client = world([await refusingAddress(), server?.label as string])
    await client.resolve(HOST)
    const socket = connect(client, { host: HOST })
    socket.write('early ')
    await once(socket, 'connectionAttempt')
    socket.end('and late')
    let text = ''
    for await (const chunk of socket) text += String(chunk)
    expect(text).toBe(`${server?.label}early and late`)
  })

  test('goes to another task before anything is emitted', async () => {
    const [server] = await tasks(1)
    const dead = await refusingAddress()
    const client = world([dead, server?.label as string])
    const ejected = eventsOf('onehop:upstream.ejected')
    const retried = eventsOf('onehop:call.retried')
    const socket = connect(client, { host: HOST })
    const errors: Error[] = []
    socket.on('error', (error) => errors.push(error))
    socket.write('hello')
    expect(await firstText(socket)).toBe(server?.label)
    expect(await firstText(socket)).toBe('hello')
    expect(errors).toEqual([])
    expect(ejected).toMatchObject([{ upstream: dead }])
    expect(retried).toMatchObject([{ method: 'CONNECT', upstream: dead }])
    expect(upstream(client, server?.label as string)).toMatchObject({ pending: 1 })
    expect(upstream(client, dead)).toMatchObject({ pending: 0, failures: 1, state: 'ejected' })
    socket.destroy()
  })

  test('with options of the socket kept, and unref too', async () => {
    const [server] = await tasks(1)
    const client = world([await refusingAddress(), server?.label as string])
    await client.resolve(HOST)
    const socket = connect(client, { host: HOST, noDelay: false, keepAliveMs: 0 })
    // The handle of the first attempt is there.
    const handleOf = () => (socket as unknown as Record<'_handle', { hasRef(): boolean } | null>)['_handle']
    await once(socket, 'connectionAttempt')
    socket.unref()
    expect(handleOf()?.hasRef()).toBe(false)
    await once(socket, 'connect')
    expect(handleOf()?.hasRef()).toBe(false)
    socket.ref()
    expect(handleOf()?.hasRef()).toBe(true)
    socket.destroy()
  })

  test('an address that drops SYNs costs 250 ms, or what is asked for', async () => {
    const [server] = await tasks(1)
    const silent = await silentAddress()
    for (const [options, ms] of [
      [{}, 250],
      [{ nextAfterMs: 40 }, 40],
    ] as const) {
      const client = world([silent, server?.label as string])
      const order: string[] = []
      const off = onEvent('onehop:call.retried', () => order.push('the next one'))
      const socket = connect(client, { host: HOST, ...options })
      const text = firstText(socket)
      await once(socket, 'connectionAttempt')
      const [sooner, later] = [dueIn(ms - 10), dueIn(ms + 50)]
      void sooner.then(() => order.push('sooner'))
      void later.then(() => order.push('later'))
      expect(await text).toBe(server?.label)
      await later
      off()
      expect(order).toEqual(['sooner', 'the next one', 'later'])
      expect(upstream(client, silent)).toMatchObject({ state: 'ejected', pending: 0 })
      socket.destroy()
    }
  })

  test.each([
    ['half of nextAfterMs is ejected', 30_000, 'ejected'],
    ['less than that is not', 29_999, 'available'],
  ])('a task to which its caller ends the connection after %s', async (_what, ms, state) => {
    const silent = await silentAddress()
    const clock = manualClock()
    const client = world([silent], PATIENT, clock)
    const socket = connect(client, { host: HOST, nextAfterMs: 60_000 })
    await once(socket, 'connectionAttempt')
    await clock.advance(ms)
    socket.destroy()
    await once(socket, 'close')
    expect(upstream(client, silent)).toMatchObject({ state, pending: 0 })
  })

  test('an address has its time from the SYN on, whatever this process computes before', async () => {
    const client = world([await silentAddress()], { timeouts: { connectMs: 100 } })
    await failureOf(connect(client, { host: HOST }))
    const socket = connect(client, { host: HOST })
    compute(150)
    const computedAt = performance.now()
    expect(await failureOf(socket)).toMatchObject({ code: 'ETIMEDOUT' })
    expect(performance.now() - computedAt).toBeGreaterThan(99)
  })

  test('the only task has all of connectMs', async () => {
    const silent = await silentAddress()
    const client = world([silent], { timeouts: { connectMs: 120 } })
    const startedAt = performance.now()
    const error = await failureOf(connect(client, { host: HOST, nextAfterMs: 30 }))
    expect(performance.now() - startedAt).toBeGreaterThan(110)
    expect(error).toMatchObject({ code: 'ETIMEDOUT', syscall: 'connect', address: '127.0.1.9' })
    expect(error.message).toBe(`connect ETIMEDOUT ${silent}: no connection in 120 ms`)
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('fails with Node’s error of the last one, by the attempts of the service', async () => {
    const dead = ['127.0.1.1:1', '127.0.1.2:1', '127.0.1.3:1', '127.0.1.4:1']
    const client = world(dead, { retry: { attempts: 2 } })
    const error = await failureOf(connect(client, { host: HOST }))
    expect(error).toMatchObject({ code: 'ECONNREFUSED', address: '127.0.1.2', port: 1, syscall: 'connect' })
    expect(dead.map((label) => upstream(client, label)?.state)).toEqual([
      'ejected',
      'ejected',
      'available',
      'available',
    ])
  })

  test('goes to the load balancer, to each of its addresses', async () => {
    // `localhost` is 127.0.0.1 and ::1, where nothing listens.
    await using balancer = await EchoServer.start('127.0.0.1')
    const fallback = `http://localhost:${balancer.port}`
    const client = world(['127.0.1.9:1'], { fallback })
    const socket = connect(client, { host: HOST })
    expect(await firstText(socket)).toBe(balancer.label)
    socket.destroy()
    const unknown = world(new Error('no discovery'), { fallback })
    const other = connect(unknown, { host: HOST })
    expect(await firstText(other)).toBe(balancer.label)
    other.destroy()
    const lost = world(new Error('no discovery'), { fallback: 'http://balancer.invalid:1' })
    expect(await failureOf(connect(lost, { host: HOST }))).toMatchObject({ syscall: 'getaddrinfo' })
    expect(lost.inspect().callsUnderWay).toBe(0)
  })

  test('fails with the error of discovery if there is no task', async () => {
    const none = world([])
    expect(await failureOf(connect(none, { host: HOST }))).toMatchObject({ code: 'ONEHOP_NO_ENDPOINTS' })
    const lost = world(new Error('no discovery'))
    expect(await failureOf(connect(lost, { host: HOST }))).toMatchObject({ code: 'ONEHOP_RESOLUTION_FAILED' })
  })

  test('what retry.on throws ends the socket, and leaves nothing', async () => {
    const on = (): never => {
      throw new Error('rule')
    }
    const client = world(['127.0.1.1:1', '127.0.1.2:1'], { retry: { on } })
    expect(await failureOf(connect(client, { host: HOST }))).toMatchObject({ message: 'rule' })
    await underWay(client, 0)
  })
})

describe('a connection that breaks', () => {
  test('counts as a failure of its task', async () => {
    const [server] = await tasks(1)
    const client = world([server as EchoServer])
    const socket = connect(client, { host: HOST })
    await firstText(socket)
    for (const open of server?.sockets ?? []) open.resetAndDestroy()
    expect(await failureOf(socket)).toMatchObject({ code: 'ECONNRESET' })
    expect(upstream(client, server?.label as string)).toMatchObject({ failures: 1, pending: 0 })
  })

  test('so does one that the server ends at once, and not one that the caller ends', async () => {
    const full = keep(await EchoServer.start('127.0.1.1', 0, (socket) => socket.end('too many connections')))
    const [, , server] = await tasks(3)
    const client = world([full, server as EchoServer], { balancer: p2c() })
    const sockets: net.Socket[] = []
    const seen = new Map<string, number>()
    for (let count = 0; count < 30; count++) {
      const socket = connect(client, { host: HOST })
      sockets.push(socket)
      const text = await firstText(socket)
      seen.set(text, (seen.get(text) ?? 0) + 1)
      if (text !== server?.label && !socket.closed) await once(socket, 'close')
    }
    // It has no open connections, and would get all new ones.
    expect(seen.get('too many connections') ?? 0).toBeLessThan(3)
    for (const socket of sockets) socket.end()
    await underWay(client, 0)
    expect(upstream(client, server?.label as string)).toMatchObject({ failures: 0 })
  })
})

test('the break of another connection, for which pipeline destroys this one, says nothing about its task', async () => {
  const [server] = await tasks(1)
  const client = world([server as EchoServer])
  const broken = await EchoServer.start('127.0.1.8', 0, (socket) => {
    socket.once('data', () => socket.resetAndDestroy())
  })
  keep(broken)
  const socket = connect(client, { host: HOST })
  await firstText(socket)
  const other = net.connect({ host: '127.0.1.8', port: broken.port })
  other.write('reset')
  await expect(pipeline(other, socket)).rejects.toMatchObject({ code: 'ECONNRESET', syscall: 'read' })
  await underWay(client, 0)
  expect(upstream(client, server?.label as string)).toMatchObject({ requests: 1, failures: 0 })
})

describe('aborts and limits are heard at once', () => {
  /** Discovery does not answer, or its one address drops SYNs. */
  const waits: [string, () => Promise<Client>][] = [
    ['while discovery waits', async () => world(new Promise(() => undefined))],
    ['while a connection is made', async () => world([await silentAddress()], PATIENT)],
  ]

  test.each(waits)('destroy, %s', async (_when, waiting) => {
    const client = await waiting()
    const socket = connect(client, { host: HOST })
    await new Promise((resolve) => setTimeout(resolve, 20))
    socket.destroy()
    await once(socket, 'close')
    await underWay(client, 0)
  })

  test.each(waits)('signal, %s', async (_when, waiting) => {
    const client = await waiting()
    const aborter = new AbortController()
    const socket = connect(client, { host: HOST, signal: aborter.signal })
    const failure = failureOf(socket)
    await new Promise((resolve) => setTimeout(resolve, 20))
    aborter.abort('no more')
    expect(await failure).toMatchObject({ name: 'AbortError', cause: 'no more' })
    await underWay(client, 0)
    const late = connect(client, { host: HOST, signal: aborter.signal })
    expect(await failureOf(late)).toMatchObject({ name: 'AbortError' })
    await underWay(client, 0)
  })

  test.each(waits)('withinMs, %s', async (_when, waiting) => {
    const client = await waiting()
    const error = await failureOf(connect(client, { host: HOST, withinMs: 60 }))
    expect(error).toMatchObject({
      code: 'ETIMEDOUT',
      message: `connect ETIMEDOUT ${HOST}: no connection in 60 ms`,
    })
    await underWay(client, 0)
  })

  test('withinMs and destroy end it between two tasks, too', async () => {
    const labels = [await silentAddress(), await refusingAddress()]
    const client = world(labels, { timeouts: { connectMs: 5_000 } })
    const options = { host: HOST, nextAfterMs: 20, withinMs: 60 }
    const error = await failureOf(connect(client, { ...options, nextAfterMs: 1_000 }))
    expect(error.message).toBe(`connect ETIMEDOUT ${HOST}: no connection in 60 ms`)
    await underWay(client, 0)
    for (let waitMs = 16; waitMs < 26; waitMs++) {
      const socket = connect(world(labels), options)
      socket.on('error', () => undefined)
      await new Promise((resolve) => setTimeout(resolve, waitMs))
      socket.destroy()
    }
    const other = world(labels)
    const socket = connect(other, { host: HOST, nextAfterMs: 20 })
    // The next lease is there, and the handle of the first connection is being closed.
    const off = onEvent('onehop:call.retried', () => queueMicrotask(() => socket.destroy()))
    await once(socket, 'close')
    off()
    await underWay(other, 0)
  })

  test('destroy with the error of another connection, as pipeline calls it', async () => {
    const client = world([await silentAddress(), await refusingAddress()], PATIENT)
    const other = await failureOf(net.connect({ host: '127.0.1.1', port: 1 }))
    expect(other).toMatchObject({ syscall: 'connect' })
    const socket = connect(client, { host: HOST, nextAfterMs: 60_000 })
    const failure = failureOf(socket)
    await once(socket, 'connectionAttempt')
    socket.destroy(other)
    expect(socket.destroyed).toBe(true)
    expect(await failure).toBe(other)
    await underWay(client, 0)
  })

  test('withinMs does not end what is connected', async () => {
    const [server] = await tasks(1)
    const client = world([server as EchoServer])
    const socket = connect(client, { host: HOST, withinMs: 30 })
    await firstText(socket)
    await new Promise((resolve) => setTimeout(resolve, 60))
    socket.write('still there')
    expect(await firstText(socket)).toBe('still there')
    socket.destroy()
  })
})

describe('the client closes', () => {
  test('and waits for sockets; what is left is cut after withinMs', async () => {
    const servers = await tasks(2)
    const client = clientOf(servers)
    const socket = connect(client, { host: HOST })
    await firstText(socket)
    const failure = failureOf(socket)
    const startedAt = performance.now()
    await client.close({ withinMs: 50 })
    expect(performance.now() - startedAt).toBeGreaterThan(40)
    expect(await failure).toMatchObject({ code: 'ONEHOP_CLOSED' })
    expect(await failureOf(connect(client, { host: HOST }))).toMatchObject({ code: 'ONEHOP_CLOSED' })
    const waiting = clientOf(servers)
    const open = connect(waiting, { host: HOST })
    await firstText(open)
    const closing = waiting.close()
    open.end()
    await closing
  })

  test('its limits hold no socket that is closed', async () => {
    const [server] = await tasks(1)
    const refusing = await refusingAddress()
    const options = { timeouts: { connectMs: 60_000 } }
    const client = world([refusing, server?.label as string], options)
    const closed = async (): Promise<WeakRef<net.Socket>> => {
      const socket = connect(client, { host: HOST, nextAfterMs: 50_000, withinMs: 60_000 })
      await firstText(socket)
      socket.destroy()
      await once(socket, 'close')
      return new WeakRef(socket)
    }
    const socket = await closed()
    await expect.poll(() => isCollected(socket)).toBe(true)
  })

  test('it keeps no process alive, and adds no signal handler', async () => {
    const [server] = await tasks(1)
    const program = `
      import { createClient, staticResolver } from 'onehop'
      import { connect } from 'onehop/net'
      const client = createClient({ namespaces: ['shop.local'],
        discovery: staticResolver({ '${HOST}': ['${server?.label}'] }), allowLoopback: true })
      const socket = connect(client, { host: '${HOST}' })
      socket.on('data', () => {
        console.log(process.eventNames().filter((name) => String(name).startsWith('SIG')).length)
        if (process.argv[1] === 'unref') socket.unref()
        else socket.destroy()
      })`
    const flags = ['--conditions=onehop:source', '--input-type=module', '--eval', program]
    for (const how of ['destroy', 'unref']) {
      const { stdout } = await promisify(execFile)(process.execPath, [...flags, how], { timeout: 25_000 })
      expect(stdout.trim()).toBe('0')
    }
  }, 60_000)
})

test('the caller’s async context survives waits and fail-over', async () => {
  const [server] = await tasks(1)
  const silent = await silentAddress()
  const client = world([await refusingAddress(), silent, server?.label as string])
  const trace = new AsyncLocalStorage<number>()
  const call = async (id: number): Promise<void> => {
    const socket = connect(client, { host: HOST, nextAfterMs: 50 })
    const seen: unknown[] = []
    for (const name of ['connect', 'data', 'close']) socket.on(name, () => seen.push(trace.getStore()))
    await once(socket, 'data')
    socket.destroy()
    await once(socket, 'close')
    expect(seen).toEqual([id, id, id])
  }
  await Promise.all([1, 2, 3, 4].map((id) => trace.run(id, () => call(id))))
})

describe('wrong arguments', () => {
  test.each([
    [undefined, 'connect: got undefined'],
    [{}, 'connect.host: got undefined'],
    [{ host: 'db.shop.local', hots: 1 }, 'connect'],
    [{ host: 'db.shop.local', port: 0 }, 'connect.port: got 0; allowed: an integer from 1 to 65535'],
    [{ host: 'db.shop.local', port: '5432' }, 'connect.port'],
    [{ host: 'db.shop.local', tls: 'yes' }, 'connect.tls'],
    [{ host: 'db.shop.local', nextAfterMs: 0 }, 'connect.nextAfterMs'],
    [{ host: 'db.shop.local', withinMs: -1 }, 'connect.withinMs'],
    [{ host: 'db.shop.local', keepAliveMs: Number.NaN }, 'connect.keepAliveMs'],
    [{ host: 'db.shop.local', noDelay: 1 }, 'connect.noDelay'],
    [{ host: 'db.shop.local', key: '' }, 'connect.key'],
    [{ host: 'db.shop.local', signal: {} }, 'connect.signal'],
  ])('%j', (options, message) => {
    expect(() => connect(world([]), options as never)).toThrow(message)
  })

  test('undefined is the same as no option; a value that is not a client is refused', async () => {
    const [server] = await tasks(1)
    const nothing = { port: undefined, tls: undefined, nextAfterMs: undefined, withinMs: undefined }
    const more = { keepAliveMs: undefined, noDelay: undefined, key: undefined, signal: undefined }
    const socket = connect(world([server as EchoServer]), { host: HOST, ...nothing, ...more })
    expect(await firstText(socket)).toBe(server?.label)
    socket.destroy()
    expect(() => connect({} as never, { host: HOST })).toThrow('client: got')
  })
})

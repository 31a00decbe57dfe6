/** The order in which a task leaves: over real sockets, on virtual time, within this process. */
import { addAbortListener, once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { createServer as createHttp2Server, connect as connectHttp2 } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { gracefulShutdown, type ShutdownOptions, type ShutdownReport } from 'onehop/ecs'
import { InvalidOptionsError } from 'onehop'
import { manualClock } from 'onehop/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { eventsOf } from '../../../support/events.ts'
import { leaving, QUICK, Wire } from '../../../support/ecs/leaving.ts'
import { listening } from '../../../support/loopback-server.ts'
import { scriptedRegistration } from '../../../support/ecs/registrations.ts'
import * as tls from '../../../support/transports/tls.ts'

/** On a busy machine; the default is one second. */
const PATIENT = { timeout: 20_000 }

const answering = (): Server => createServer((_request, response) => response.end('done'))
const NO_WINDOW = {}
/** For handlers that heed `cutting`, as `sequence.ts` has it. */
const CUT_GRACE_MS = 25

/** A connection on which nothing is asked, once the server has it. */
async function silentOn(server: Server, port: number): Promise<Wire> {
  const taken = once(server, 'connection')
  const wire = await Wire.open(port)
  await taken
  return wire
}

async function isRefused(port: number): Promise<boolean> {
  return Wire.open(port).then(
    () => false,
    () => true,
  )
}

describe('the window', () => {
  test('off ECS and without a registration there is none', async () => {
    const { shutdown, port } = await leaving(answering())
    const report = await shutdown.begin('Ctrl-C')
    expect(report).toMatchObject({ reason: 'Ctrl-C', deregistration: 'none', cutCount: 0, exitCode: 0 })
    expect(report.servedMs).toBe(0)
    expect(await isRefused(port)).toBe(true)
  })

  test('in a task on ECS it is propagation and TTL, and the task takes connections all the time', async () => {
    const { shutdown, clock, port } = await leaving(answering(), {
      env: { ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4/x' },
      ...{ ttlMs: 200, propagationMs: 200, quietMs: 0 },
    })
    const report = shutdown.begin()
    expect(shutdown).toMatchObject({ phase: 'draining', ready: false })
    await clock.advance(399)
    const wire = await Wire.open(port)
    wire.ask()
    await wire.closed
    expect(wire.text).toContain('done')
    await clock.advance(1)
    expect((await report).servedMs).toBe(400)
    expect(await isRefused(port)).toBe(true)
  })

  test('begins with deregistration, takes the TTL from the registration, and deregisters once', async () => {
    const clock = manualClock()
    const registration = scriptedRegistration({ ttlMs: 100, deregisterMs: 200, clock })
    const { shutdown } = await leaving(answering(), { registration, propagationMs: 100 }, clock)
    const [report, again] = [shutdown.begin(), shutdown.begin('again')]
    expect(again).toBe(report)
    await clock.advance(400)
    const { servedMs, deregistration, reason } = await report
    expect({ deregistration, reason }).toEqual({ deregistration: 'done', reason: 'begin()' })
    expect(servedMs).toBe(400)
    expect(registration.calls).toEqual([{ withinMs: 5_000 }])
  })

  test('a deregistration that does not settle holds nothing back', async () => {
    const registration = scriptedRegistration({ ttlMs: 10, deregisterMs: 60_000 })
    const { shutdown, clock } = await leaving(answering(), {
      ...{ registration, stopTimeoutMs: 2_000, propagationMs: 10 },
    })
    const report = shutdown.begin()
    // The window ends in time for the rest; an answer that is still to come has what is left of `closeMs`.
    await clock.advance(750)
    await expect.poll(() => shutdown.phase).toBe('closing')
    await clock.advance(QUICK.closeMs)
    expect(await report).toMatchObject({ deregistration: 'pending', cutCount: 0, servedMs: 750, tookMs: 950 })
  })

  test('a registration that was never begun needs none', async () => {
    const registration = scriptedRegistration({ ttlMs: 1_000, state: 'waiting' })
    const { shutdown } = await leaving(answering(), { registration })
    expect((await shutdown.begin()).servedMs).toBe(0)
  })

  test('it ends only when no connection has come for a while, and at last in time for what follows', async () => {
    const { shutdown, clock, port } = await leaving(answering(), {
      ...{ ttlMs: 200, propagationMs: 0, quietMs: 300 },
    })
    const report = shutdown.begin()
    for (let call = 0; call < 5; call++) {
      await clock.advance(100)
      const wire = await Wire.open(port)
      wire.ask()
      await wire.closed
      expect(wire.text).toContain('done')
    }
    await clock.advance(300)
    expect((await report).servedMs).toBe(800)

    const busy = await leaving(answering(), {
      ...{ ttlMs: 100, propagationMs: 0, quietMs: 200, stopTimeoutMs: 1_000, finishMs: 200, closeMs: 100 },
    })
    const end = busy.shutdown.begin()
    while (busy.shutdown.phase === 'draining') {
      const taken = once(busy.server, 'connection')
      await Wire.open(busy.port)
      await taken
      await busy.clock.advance(50)
    }
    expect((await end).servedMs).toBe(650)
  })
})

describe('requests under way', () => {
  test('a slow answer is finished', async () => {
    let response: ServerResponse | undefined
    const { shutdown, clock, port } = await leaving(createServer((_request, its) => void (response = its)))
    const wire = await Wire.open(port)
    wire.ask()
    await expect.poll(() => shutdown.inFlight).toBe(1)
    const report = shutdown.begin()
    await expect.poll(() => shutdown.phase).toBe('finishing')
    expect(await isRefused(port)).toBe(true)
    await clock.advance(QUICK.finishMs - 1)
    expect(shutdown.cutting.aborted).toBe(false)
    response?.end('finished')
    expect(await report).toMatchObject({ cutCount: 0, exitCode: 0 })
    await wire.closed
    expect(wire.text).toContain('finished')
  })

  test('of a server that has stopped listening by itself are finished, too', async () => {
    let response: ServerResponse | undefined
    const { server, shutdown, clock, port } = await leaving(
      createServer((_request, its) => void (response = its)),
      { quietMs: 0 },
    )
    const wire = await Wire.open(port)
    wire.ask()
    await expect.poll(() => shutdown.inFlight).toBe(1)
    server.close()
    const report = shutdown.begin()
    await clock.advance(QUICK.finishMs - 1)
    expect([shutdown.phase, shutdown.cutting.aborted]).toEqual(['finishing', false])
    response?.end('finished')
    expect(await report).toMatchObject({ cutCount: 0, exitCode: 0 })
    await wire.closed
    expect(wire.text).toContain('finished')
  })

  test('an endless one is cut, after `cutting` has aborted', async () => {
    const events = eventsOf('onehop:shutdown.cut')
    const { shutdown, clock, port } = await leaving(
      createServer((_request, response) => void response.write('for ever')),
      { finishMs: 200 },
    )
    const wire = await Wire.open(port)
    wire.ask('/export?token=secret', 'POST')
    await wire.until(/for ever/)
    const aborted = once(shutdown.cutting, 'abort').then(() => wire.socket.closed)
    const begun = shutdown.begin()
    await clock.advance(200)
    expect([shutdown.cutting.aborted, shutdown.inFlight]).toEqual([true, 1])
    await clock.advance(CUT_GRACE_MS)
    const report = await begun
    expect(report).toMatchObject({ cut: ['POST /export'], cutCount: 1, exitCode: 1 })
    expect(await aborted).toBe(false)
    await wire.closed
    expect(events).toEqual([{ reason: 'begin()', inFlight: 1, cut: ['POST /export'], count: 1 }])
  })

  test('what is cut is named without query and user', async () => {
    const { shutdown, clock, port } = await leaving(
      createServer(() => undefined),
      { finishMs: 50 },
    )
    const urls = [
      '/pay?token=1',
      'http://user:secret@orders/pay',
      'HTTP://user@orders/a@b?c',
      '//me@orders/',
      '/a//b@c',
    ]
    for (const url of urls) (await Wire.open(port)).ask(url)
    await expect.poll(() => shutdown.inFlight).toBe(urls.length)
    const report = shutdown.begin()
    await clock.advance(50 + CUT_GRACE_MS)
    expect((await report).cut).toEqual([
      ...['GET /pay', 'GET http://orders/pay', 'GET HTTP://orders/a@b', 'GET //orders/', 'GET /a//b@c'],
    ])
  })

  test('one that heeds `cutting` is not cut', async () => {
    const server = createServer()
    const { shutdown, clock, port } = await leaving(server, { finishMs: 100 })
    server.on('request', (_request, response: ServerResponse) =>
      shutdown.cutting.addEventListener('abort', () => response.writeHead(503).end()),
    )
    const wire = await Wire.open(port)
    wire.ask()
    await expect.poll(() => shutdown.inFlight).toBe(1)
    const report = shutdown.begin()
    await clock.advance(100)
    expect(await report).toMatchObject({ cutCount: 0, exitCode: 0 })
    await wire.closed
    expect(wire.text).toMatch(/503[^]*connection: close/i)
  })

  test('headers that promised to keep the connection: it ends with the answer', async () => {
    let response: ServerResponse | undefined
    const { shutdown, port } = await leaving(
      createServer((_request, its) => {
        response = its
        its.flushHeaders()
      }),
    )
    const wire = await Wire.open(port)
    wire.ask()
    await wire.until(/keep-alive/)
    const report = shutdown.begin()
    await expect.poll(() => shutdown.phase).toBe('finishing')
    response?.end('finished')
    expect(await report).toMatchObject({ cutCount: 0 })
    expect((await report).tookMs).toBe(0)
    await wire.closed
    expect(wire.text).toContain('finished')
  })

  test('a long poll ends with `draining`', async () => {
    const server = createServer()
    const { shutdown, port } = await leaving(server)
    server.on('request', (_request, response: ServerResponse) =>
      shutdown.draining.addEventListener('abort', () => response.end('nothing new')),
    )
    const wire = await Wire.open(port)
    wire.ask()
    await expect.poll(() => shutdown.inFlight).toBe(1)
    expect((await shutdown.begin()).tookMs).toBe(0)
    await wire.closed
    expect(wire.text).toContain('nothing new')
  })

  test('a stream that is opened again in the window ends as docs/ecs/shutdown.md has it', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const leaves = addAbortListener(shutdown.draining, () => response.end('event: leave\n\n'))
      response.on('close', () => leaves[Symbol.dispose]())
      response.flushHeaders()
    })
    const { shutdown, clock, port } = await leaving(server, { ttlMs: 200, propagationMs: 0 })
    const first = await Wire.open(port)
    first.ask()
    await first.until(/event-stream/)
    const report = shutdown.begin()
    await first.until(/event: leave/)
    const again = await Wire.open(port)
    again.ask()
    await again.until(/event: leave/)
    await clock.advance(200)
    expect(await report).toMatchObject({ cutCount: 0, exitCode: 0 })
  })

  test('idle and silent connections hold nothing back', async () => {
    const { server, shutdown, port } = await leaving(answering())
    const idle = await Wire.open(port)
    idle.ask()
    await idle.until(/done/)
    const silent = await silentOn(server, port)
    expect(await shutdown.begin()).toMatchObject({ cutCount: 0, exitCode: 0, tookMs: 0 })
    await Promise.all([idle.closed, silent.closed])
  })

  test('a request that has arrived and was not read yet is answered, without a window, too', async () => {
    const { shutdown, port } = await leaving(answering())
    const [kept, fresh] = [await Wire.open(port), await Wire.open(port)]
    kept.ask()
    await kept.until(/done/)
    kept.text = ''
    for (const wire of [kept, fresh]) wire.ask()
    expect(await shutdown.begin()).toMatchObject({ cutCount: 0 })
    await Promise.all([kept.closed, fresh.closed])
    for (const { text } of [kept, fresh]) expect(text).toMatch(/x-onehop-draining: 1[^]*done/)
  })

  test('a connection to a TLS server without a handshake holds nothing back', async () => {
    const { server, shutdown, port } = await leaving(createTlsServer(tls, (_, response) => response.end()))
    const silent = await silentOn(server, port)
    expect((await shutdown.begin()).tookMs).toBe(0)
    await silent.closed
  })

  test('sessions of HTTP/2 finish their streams; an endless one is cut', async () => {
    const server = createHttp2Server()
    const { shutdown, clock, port } = await leaving(server, { finishMs: 300 })
    const { promise: isFinishing, resolve: finish } = Promise.withResolvers<void>()
    server.on('stream', (stream, { ':path': path }) => {
      stream.on('error', () => undefined)
      stream.respond()
      if (path === '/slow') void isFinishing.then(() => stream.end('finished'))
    })
    const session = connectHttp2(`http://127.0.0.1:${port}`)
    session.on('error', () => undefined)
    const slow = session.request({ ':path': '/slow' }).setEncoding('utf8')
    const endless = session.request({ ':path': '/endless' })
    const broken = once(endless, 'close')
    endless.on('error', () => undefined).resume()
    let text = ''
    slow.on('data', (chunk) => (text += String(chunk)))
    await expect.poll(() => shutdown.inFlight).toBe(2)
    const report = shutdown.begin()
    await expect.poll(() => shutdown.phase).toBe('finishing')
    finish()
    await expect.poll(() => [shutdown.inFlight, text]).toEqual([1, 'finished'])
    await clock.advance(300 + CUT_GRACE_MS)
    expect(await report).toMatchObject({ cut: ['GET /endless'], exitCode: 1 })
    await broken
  })

  test('upgraded connections can end by `onDrain`; those that stay are cut', async () => {
    const server = createServer()
    const open: { end(): unknown }[] = []
    server.on('upgrade', (_request, socket) => {
      open.push(socket)
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n')
    })
    const { shutdown, clock, port } = await leaving(server, {
      ...{ finishMs: 100, onDrain: () => open[0]?.end() },
    })
    const wires = [await Wire.open(port), await Wire.open(port)]
    for (const wire of wires) {
      wire.ask('/chat', 'GET', 'upgrade: x\r\nconnection: upgrade\r\n')
      await wire.until(/101/)
    }
    expect(shutdown.inFlight).toBe(2)
    const report = shutdown.begin()
    await expect.poll(() => shutdown.inFlight).toBe(1)
    await clock.advance(100 + CUT_GRACE_MS)
    expect(await report).toMatchObject({ cut: ['upgraded /chat'], cutCount: 1, exitCode: 1 })
    await Promise.all(wires.map(({ closed }) => closed))
  })

  test('connections of a server that does not speak HTTP are work: finished, or cut and named', async () => {
    const { server, shutdown, clock, port } = await leaving(createTcpServer(), { finishMs: 300 })
    server.on('connection', (socket: Socket) => {
      socket.write('hello\n')
      socket.once('data', () => socket.end('bye\n'))
    })
    const [asking, silent] = [await Wire.open(port), await Wire.open(port)]
    await Promise.all([asking.until(/hello/), silent.until(/hello/)])
    expect(shutdown.inFlight).toBe(2)
    const report = shutdown.begin()
    await expect.poll(() => shutdown.phase).toBe('finishing')
    asking.socket.write('work\n')
    await asking.until(/bye/)
    asking.socket.end()
    await expect.poll(() => shutdown.inFlight).toBe(1)
    await clock.advance(300 + CUT_GRACE_MS)
    expect(await report).toMatchObject({ cut: ['connection'], cutCount: 1, exitCode: 1 })
    await silent.closed
  })

  test('without a listener for upgrades, Node answers them as ever', async () => {
    const { port } = await leaving(answering())
    const wire = await Wire.open(port)
    wire.ask('/', 'GET', 'upgrade: h2c\r\nconnection: upgrade\r\n')
    expect(await wire.until(/done/)).toContain('200 OK')
  })
})

describe.each(['upgrade', 'connect'] as const)('once the last listener for "%s" is gone', (event) => {
  const closed = (_request: unknown, socket: Socket): unknown => socket.end('HTTP/1.1 101 Bye\r\n\r\n')
  const ask = (wire: Wire): void =>
    event === 'upgrade'
      ? wire.ask('/', 'GET', 'upgrade: h2c\r\nconnection: upgrade, close\r\n')
      : wire.ask('orders:443', 'CONNECT')

  test.each([
    ['off', (server: Server) => server.on(event, closed).off(event, closed)],
    ['removeAllListeners', (server: Server) => server.on(event, closed).removeAllListeners(event)],
  ])('by %s, Node does as without any', async (_, addAndRemove) => {
    const { server, port } = await leaving(answering())
    addAndRemove(server)
    expect(server.listenerCount(event)).toBe(0)
    const wire = await Wire.open(port)
    ask(wire)
    // Node ends what it cannot hand over, and answers an upgrade as a request.
    await wire.closed
    expect(wire.text.includes('done')).toBe(event === 'upgrade')
  })

  test('by once(), and the one that is added later is followed again', async () => {
    const { server, shutdown, port } = await leaving(answering())
    server.once(event, closed)
    const first = await Wire.open(port)
    ask(first)
    expect(await first.until(/Bye/)).toContain('101')
    expect(server.listenerCount(event)).toBe(0)
    server.on(event, (_request, socket: Socket) => void socket.write('HTTP/1.1 101 Stay\r\n\r\n'))
    const second = await Wire.open(port)
    ask(second)
    await second.until(/Stay/)
    await first.closed
    expect(shutdown.inFlight).toBe(1)
  })
})

describe('steps', () => {
  test('run in order, and one that fails holds none back', async () => {
    const seen: string[] = []
    const step =
      (name: string, fails = false) =>
      async (): Promise<void> => {
        await new Promise(setImmediate)
        seen.push(name)
        if (fails) throw new Error(`${name} failed`)
      }
    const { shutdown } = await leaving(answering(), {
      onDrain: [step('drain 1', true), step('drain 2')],
      onClose: [step('close 1'), step('close 2', true), step('close 3')],
    })
    const { errors, exitCode } = await shutdown.begin()
    expect(seen).toEqual(['drain 1', 'drain 2', 'close 1', 'close 2', 'close 3'])
    expect(errors.map(({ message }) => message)).toEqual(['drain 1 failed', 'close 2 failed'])
    expect(exitCode).toBe(1)
  })

  test('onClose that hangs is given up after closeMs', async () => {
    const { shutdown, clock } = await leaving(answering(), { onClose: () => new Promise(() => undefined) })
    const report = shutdown.begin()
    await expect.poll(() => shutdown.phase).toBe('closing')
    await clock.advance(QUICK.closeMs)
    const { errors, tookMs } = await report
    expect(String(errors[0])).toContain('onClose has not ended within 200 ms (closeMs)')
    expect(tookMs).toBe(QUICK.closeMs)
  })

  test('onDrain that hangs is given up with the requests under way, and is an error', async () => {
    const { shutdown, clock } = await leaving(answering(), {
      ...{ onDrain: () => new Promise(() => undefined), finishMs: 100 },
    })
    const report = shutdown.begin()
    await clock.advance(100 + CUT_GRACE_MS)
    const { errors, exitCode } = await report
    expect(errors.map(String)).toEqual([expect.stringContaining('onDrain has not ended within 125 ms')])
    expect(exitCode).toBe(1)
  })

  test('begin() from within the shutdown is the same shutdown', async () => {
    const seen: string[] = []
    const again = (step: string): void => {
      seen.push(step)
      reports.add(shutdown.begin('again'))
    }
    const reports = new Set<Promise<ShutdownReport>>()
    const shutdown = gracefulShutdown({
      ...QUICK,
      servers: { drain: () => again('drain'), close: () => again('close') },
      onDrain: () => again('onDrain'),
      onClose: () => again('onClose'),
    })
    shutdown.draining.addEventListener('abort', () => again('draining'))
    reports.add(shutdown.begin('first'))
    expect(reports.size).toBe(1)
    expect(await shutdown.begin()).toMatchObject({ reason: 'first', errors: [] })
    expect(seen).toEqual(['drain', 'draining', 'onDrain', 'close', 'onClose'])
  })

  test('a registration that throws is an error in the report', async () => {
    const registration = scriptedRegistration({ ttlMs: 0 })
    const deregister = (): never => {
      throw new Error('no such thing')
    }
    const { shutdown } = await leaving(answering(), {
      registration: Object.assign(registration, { deregister }),
      propagationMs: 0,
    })
    const { errors, deregistration } = await shutdown.begin()
    expect({ errors: errors.map(String), deregistration }).toEqual({
      errors: ['Error: no such thing'],
      deregistration: 'failed',
    })
  })

  test('custom servers drain at once and close after the window; one that hangs is cut', async () => {
    const seen: string[] = []
    const custom = {
      drain: () => void seen.push(`drain ${shutdown.phase}`),
      close: (cutting: AbortSignal) =>
        new Promise<void>((resolve) => {
          seen.push(`close ${shutdown.phase}`)
          cutting.addEventListener('abort', () => resolve())
        }),
    }
    const hung = { close: () => new Promise(() => undefined) }
    const shutdown = gracefulShutdown({ ...QUICK, finishMs: 100, servers: [custom, hung] })
    const report = await shutdown.begin()
    expect(seen).toEqual(['drain serving', 'close finishing'])
    expect(report).toMatchObject({ cut: ['close() of a server'], exitCode: 1 })
    const failing = gracefulShutdown({
      ...QUICK,
      servers: {
        drain: () => Promise.reject(new Error('no drain')),
        close() {
          throw new Error('no close')
        },
      },
    })
    expect((await failing.begin()).errors.map(String)).toEqual(['Error: no drain', 'Error: no close'])
  })

  test('events name each phase', async () => {
    const events = eventsOf('onehop:shutdown.changed')
    const { shutdown } = await leaving(answering())
    await shutdown.begin('SIGTERM')
    expect(events.map(({ from, to, reason }) => [from, to, reason])).toEqual([
      ['serving', 'draining', 'SIGTERM'],
      ['draining', 'finishing', 'SIGTERM'],
      ['finishing', 'closing', 'SIGTERM'],
      ['closing', 'closed', 'SIGTERM'],
    ])
  })
})

describe('several servers', () => {
  test('all drain and stop together; one that never listened, and one that stopped before, too', async () => {
    const one = answering()
    const two = answering()
    const shutdown = gracefulShutdown({ ...QUICK, servers: [one, { server: two }, answering()] })
    await Promise.all([listening(one), listening(two)])
    await new Promise((resolve) => two.close(resolve))
    expect(await shutdown.begin()).toMatchObject({ exitCode: 0 })
    expect([one.listening, two.listening]).toEqual([false, false])
  })

  test('one that begins to listen afterwards stops at once', async () => {
    const { promise: goOn, resolve } = Promise.withResolvers<void>()
    const server = answering()
    const shutdown = gracefulShutdown({ ...QUICK, servers: [server, { close: () => goOn }] })
    const report = shutdown.begin()
    await expect.poll(() => shutdown.phase).toBe('finishing')
    server.listen(0)
    await once(server, 'close')
    resolve()
    await report
  })
})

describe('the exit', () => {
  function exits(): unknown[] {
    const codes: unknown[] = []
    const exit = vi.spyOn(process, 'exit').mockImplementation((code) => {
      codes.push(code)
      return undefined as never
    })
    onTestFinished(() => exit.mockRestore())
    return codes
  }
  const EXITING = { ...QUICK, exit: true } as const

  test('of several shutdowns in one process, the last one ends it, with the worst code', async () => {
    const codes = exits()
    const { promise: closed, resolve: close } = Promise.withResolvers<void>()
    const clock = manualClock()
    const slow = gracefulShutdown({ ...EXITING, clock, servers: { close: () => closed } })
    const failing = gracefulShutdown({
      ...EXITING,
      servers: [],
      onClose: () => Promise.reject(new Error('no close')),
    })
    const reports = Promise.all([slow.begin('SIGTERM'), failing.begin('SIGTERM')])
    await failing.begin()
    // The process would end in the next turn of the event loop.
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate)
    expect(codes).toEqual([])
    close()
    await reports
    await vi.waitFor(() => expect(codes).toEqual([1]), PATIENT)
  })

  test('another signal until then does not end the process', async () => {
    const codes = exits()
    const before = process.listenerCount('SIGUSR2')
    const shutdown = gracefulShutdown({ ...EXITING, signals: ['SIGUSR2'], servers: [] })
    process.emit('SIGUSR2')
    await shutdown.begin()
    await vi.waitFor(() => expect(codes).toHaveLength(1), PATIENT)
    expect(process.listenerCount('SIGUSR2')).toBe(before + 1)
    shutdown[Symbol.dispose]()
  })
})

describe('without a trace', () => {
  test('dispose takes off every listener', async () => {
    const server = answering()
    const before = listenersOf(server)
    const shutdown = gracefulShutdown({ ...QUICK, servers: server, signals: ['SIGTERM', 'SIGHUP'] })
    expect(process.listenerCount('SIGHUP')).toBe(1)
    shutdown[Symbol.dispose]()
    expect(process.listenerCount('SIGHUP')).toBe(0)
    expect(listenersOf(server)).toEqual(before)
    const { server: ended, shutdown: done } = await leaving(answering(), NO_WINDOW)
    await done.begin()
    expect(listenersOf(ended)).toEqual(before)
  })

  test('inspect() is plain JSON', async () => {
    const registration = scriptedRegistration({ ttlMs: 60_000 })
    const { shutdown, clock } = await leaving(answering(), { registration, propagationMs: 0 })
    expect(shutdown.inspect()).toEqual({
      ...{ phase: 'serving', reason: undefined, sinceMs: undefined, inFlight: 0 },
      ...{ windowMs: 3_750, neededMs: 61_300, stopTimeoutMs: 5_000, deregistration: 'pending' },
    })
    const report = shutdown.begin('SIGTERM')
    expect(shutdown.inspect()).toMatchObject({ phase: 'draining', reason: 'SIGTERM' })
    await clock.advance(3_750)
    await report
    expect(shutdown.inspect()).toMatchObject({ phase: 'closed', deregistration: 'done' })
  })
})

function listenersOf(server: Server): Record<string, number> {
  const names = server.eventNames().map(String).toSorted()
  return Object.fromEntries(names.map((name) => [name, server.listenerCount(name)]))
}

describe('too short a time', () => {
  test('is reported at the start, with the seconds needed', async () => {
    const events = eventsOf('onehop:shutdown.too-short')
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    onTestFinished(() => warn.mockRestore())
    const env = { ECS_CONTAINER_METADATA_URI_V4: 'http://169.254.170.2/v4/x', ONEHOP_STOP_TIMEOUT_S: '40' }
    gracefulShutdown({ servers: answering(), signals: [], env, ttlMs: 60_000 })
    expect(events).toEqual([
      { neededMs: 84_000, stopTimeoutMs: 40_000, windowMs: 27_000, wantedWindowMs: 70_000 },
    ])
    expect(warn).toHaveBeenCalledWith(expect.stringContaining('takes up to 84 s'), {
      code: 'ONEHOP_SHUTDOWN_TOO_SHORT',
    })
    expect(warn).not.toHaveBeenCalledWith(expect.stringContaining('ttlMs'), expect.anything())
    gracefulShutdown({ servers: answering(), signals: [], env })
    expect(events).toHaveLength(1)
    // A TTL that nothing names is assumed, and the warning says so.
    const short = { ...env, ONEHOP_STOP_TIMEOUT_S: '15' }
    gracefulShutdown({ servers: answering(), signals: [], env: short })
    expect(events[1]).toMatchObject({ neededMs: 34_000, windowMs: 2_000, wantedWindowMs: 20_000 })
    expect(warn).toHaveBeenLastCalledWith(
      expect.stringContaining('It assumes a TTL of 10 s: set ttlMs if the records have another TTL.'),
      { code: 'ONEHOP_SHUTDOWN_TOO_SHORT' },
    )
    // A registration knows its TTL later.
    const registration = scriptedRegistration({ ttlMs: 60_000 })
    gracefulShutdown({ servers: answering(), signals: [], env: {}, registration })
    await expect.poll(() => events.length).toBe(3)
    expect(events[2]).toMatchObject({ neededMs: 79_000 })
    // One that waits to become ready does not hide it.
    const waiting = scriptedRegistration({ ttlMs: undefined, state: 'waiting' })
    gracefulShutdown({ servers: answering(), signals: [], env: {}, registration: waiting, ttlMs: 60_000 })
    expect(events[3]).toMatchObject({ neededMs: 79_000 })
  })
})

describe('options', () => {
  const wrong: readonly (readonly [string, Partial<Record<keyof ShutdownOptions, unknown>>])[] = [
    ['servers', { servers: undefined }],
    ['servers', { servers: () => undefined }],
    ['servers[1].close', { servers: [answering(), {}] }],
    ['servers.drain', { servers: { drain: 1, close: () => undefined } }],
    ['servers.getHttpServer()', { servers: { getHttpServer: () => 1 } }],
    ['registration', { registration: 1 }],
    ['stopTimeoutMs', { stopTimeoutMs: 0 }],
    ['ttlMs', { ttlMs: -1 }],
    ['finishMs', { finishMs: '10' }],
    ['signals[0]', { signals: ['SIGKILL'] }],
    ['exit', { exit: 1 }],
    ['onClose[0]', { onClose: [1] }],
    ['ONEHOP_STOP_TIMEOUT_S', { env: { ONEHOP_STOP_TIMEOUT_S: 'soon' } }],
    ['finish', { finish: 1 } as object],
  ]
  test.each(wrong)('%s', (option, options) => {
    const install = (): unknown => gracefulShutdown({ ...QUICK, servers: answering(), ...options } as never)
    expect(install).toThrow(InvalidOptionsError)
    expect(install).toThrow(expect.objectContaining({ option }) as Error)
  })

  test('undefined and an empty variable are as if they were not there', () => {
    const none = Object.fromEntries(
      ['registration', 'stopTimeoutMs', 'ttlMs', 'quietMs', 'signals', 'exit', 'onClose', 'clock', 'env'].map(
        (key) => [key, undefined],
      ),
    )
    const shutdown = gracefulShutdown({ servers: answering(), ...none })
    expect(shutdown.inspect()).toMatchObject({ stopTimeoutMs: 30_000, neededMs: 13_000 })
    shutdown[Symbol.dispose]()
    const env = { ONEHOP_STOP_TIMEOUT_S: '', ECS_CONTAINER_METADATA_URI: '' }
    expect(gracefulShutdown({ servers: answering(), signals: [], env }).inspect()).toMatchObject({
      ...{ stopTimeoutMs: 30_000, windowMs: 0 },
    })
  })
})

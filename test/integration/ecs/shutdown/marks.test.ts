/** While a task leaves, every answer sends its caller away, whatever the handler writes. */
import { once } from 'node:events'
import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import { connect as connectHttp2, createSecureServer, createServer as createHttp2Server } from 'node:http2'
import { createServer as createHttpsServer } from 'node:https'
import type { Server } from 'node:net'
import { Agent, request } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { leaving, Wire } from '../../../support/ecs/leaving.ts'
import { ca, cert, key } from '../../../support/transports/tls.ts'

/** It ends when the test says so. */
const WINDOW = { ttlMs: 500, propagationMs: 0 }

const ANSWERS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  end: (response) => response.end('done'),
  'setHeader keep-alive': (response) =>
    response.setHeader('Connection', 'keep-alive').setHeader('Keep-Alive', 'timeout=60').end('done'),
  'writeHead with an object': (response) =>
    response.writeHead(200, { CONNECTION: 'keep-alive', 'x-own': 'kept' }).end('done'),
  'writeHead with a reason and an object': (response) =>
    response.writeHead(200, 'Fine', { connection: 'keep-alive', 'x-own': 'kept' }).end('done'),
  'writeHead with a reason': (response) => response.writeHead(200, 'Fine').end('done'),
  'writeHead with headers, and undefined behind them': (response) =>
    response.writeHead(200, { connection: 'keep-alive', 'x-own': 'kept' } as never, undefined).end('done'),
  'writeHead with undefined as the reason': (response) =>
    response.writeHead(200, undefined, { connection: 'keep-alive', 'x-own': 'kept' }).end('done'),
  'writeHead with names and values in turn': (response) =>
    response.writeHead(200, ['connection', 'keep-alive', 'x-own', 'kept']).end('done'),
  'writeHead with pairs': (response) =>
    response
      .writeHead(200, [
        ['connection', 'keep-alive'],
        ['x-own', 'kept'],
      ] as never)
      .end('done'),
  'setHeader, then writeHead with an object': (response) =>
    response.setHeader('x-own', 'kept').writeHead(200, { connection: 'keep-alive' }).end('done'),
  'setHeader, then writeHead with names and values': (response) =>
    response.setHeader('x-own', 'kept').writeHead(200, ['connection', 'keep-alive']).end('done'),
  'headers flushed early': (response) => {
    response.setHeader('connection', 'keep-alive')
    response.flushHeaders()
    setImmediate(() => response.end('done'))
  },
  'chunks without a length': (response) => {
    response.write('do')
    response.end('ne')
  },
  'no body': (response) => response.writeHead(204).end(),
  'an own writeHead, as middleware has it': (response) => {
    const { writeHead } = response
    response.writeHead = function wrapped(this: ServerResponse, ...args: Parameters<typeof writeHead>) {
      this.setHeader('connection', 'keep-alive')
      this.setHeader('x-own', 'kept')
      return writeHead.apply(this, args)
    } as typeof writeHead
    response.end('done')
  },
}

const SENT = new Set([
  ...['connection', 'x-onehop-draining', 'x-own', 'date', 'content-length', 'transfer-encoding'],
])

function expectSentAway(head: string, name: string): void {
  const lower = head.toLowerCase()
  expect(lower).toContain('\r\nconnection: close\r\n')
  expect(lower).toContain('\r\nx-onehop-draining: 1\r\n')
  expect(lower).not.toContain('keep-alive')
  expect(lower.match(/\r\nconnection:/g)).toHaveLength(1)
  // And no header that the handler did not write.
  const names = Array.from(lower.matchAll(/\r\n([^\r\n:]+):/g), ([, header]) => header)
  expect(names.filter((header) => !SENT.has(header ?? ''))).toEqual([])
  if (/own|object|pairs|values|undefined/.test(name)) expect(lower).toContain('x-own: kept')
}

describe.each(Object.entries(ANSWERS))('HTTP/1.1, %s', (name, answer) => {
  test('a request that comes in while it drains', async () => {
    const { shutdown, port } = await leaving(
      createServer((_request, response) => answer(response)),
      WINDOW,
    )
    const before = await Wire.open(port)
    before.ask()
    expect(await before.until(/\r\n\r\n.*(done|0\r\n\r\n)|204.*\r\n\r\n/s)).not.toContain('x-onehop-draining')
    void shutdown.begin()
    const wire = await Wire.open(port)
    wire.ask()
    await wire.closed
    expectSentAway(wire.text, name)
    // The kept connection as well.
    before.text = ''
    before.ask()
    await before.closed
    expectSentAway(before.text, name)
  })

  test('a request that is under way when it begins', async () => {
    let release = (): void => undefined
    const held: RequestListener = (_request, response) => void (release = () => answer(response))
    const { server, shutdown, port } = await leaving(createServer(held), WINDOW)
    const wire = await Wire.open(port)
    wire.ask()
    await once(server, 'request')
    void shutdown.begin()
    release()
    await wire.closed
    expectSentAway(wire.text, name)
  })
})

test('with express-like middleware that wraps writeHead before the signal', async () => {
  let release = (): void => undefined
  const { server, shutdown, port } = await leaving(
    createServer((_request, response) => {
      const { writeHead } = response
      // on-headers 1.0: reads an array as pairs, and an object as it is.
      response.writeHead = function wrapped(this: ServerResponse, status: number, headers: object) {
        for (const [header, value] of Object.entries(headers)) this.setHeader(header, value as string)
        return writeHead.call(this, status)
      } as typeof writeHead
      release = () => response.end('done')
    }),
    WINDOW,
  )
  const wire = await Wire.open(port)
  wire.ask()
  await once(server, 'request')
  void shutdown.begin()
  release()
  await wire.closed
  expectSentAway(wire.text, '')
})

test('of pipelined requests, the last answer ends the connection', async () => {
  const responses: ServerResponse[] = []
  const { shutdown, port } = await leaving(
    createServer((_request, response) => void responses.push(response)),
    WINDOW,
  )
  const wire = await Wire.open(port)
  wire.ask('/1')
  wire.ask('/2')
  await expect.poll(() => responses.length).toBe(2)
  void shutdown.begin()
  for (const [index, response] of responses.entries()) response.end(`answer ${index + 1}`)
  await wire.closed
  expect(wire.text).toContain('answer 1')
  expect(wire.text).toContain('answer 2')
  expect(wire.text.match(/x-onehop-draining: 1/g)).toHaveLength(2)
  expect(wire.text.match(/connection: close/gi)).toHaveLength(1)
})

test('requests with Expect: 100-continue', async () => {
  const { server, shutdown, port } = await leaving(createServer(), WINDOW)
  server.on('checkContinue', (_request, response: ServerResponse) => void response.end('done'))
  void shutdown.begin()
  const wire = await Wire.open(port)
  wire.ask('/', 'POST', 'expect: 100-continue\r\ncontent-length: 4\r\n')
  await wire.closed
  expectSentAway(wire.text, '')
})

const answer: RequestListener = (incoming, response) => {
  incoming.resume()
  incoming.on('end', () => response.end('done'))
}
const SECURE: Readonly<Record<string, readonly [() => Server, h2: boolean]>> = {
  https: [() => createHttpsServer({ key, cert }, answer), false],
  'HTTP/2 over TLS': [() => createSecureServer({ key, cert }, answer as never), true],
  'HTTP/1.1 to a server of HTTP/2': [
    () => createSecureServer({ key, cert, allowHTTP1: true }, answer as never),
    false,
  ],
}

test.each(Object.entries(SECURE))('%s', async (_name, [make, h2]) => {
  const { shutdown, clock, port } = await leaving(make(), WINDOW)
  const agent = new Agent({ allowH2: h2, connect: { ca, servername: 'orders.shop.local' } })
  onTestFinished(() => agent.destroy())
  const ask = async (): Promise<Readonly<Record<string, unknown>>> => {
    const { headers, body } = await request(`https://127.0.0.1:${port}`, {
      ...{ dispatcher: agent, method: 'POST', body: 'x' },
    })
    expect(await body.text()).toBe('done')
    return headers
  }
  expect(await ask()).not.toHaveProperty('x-onehop-draining')
  const report = shutdown.begin()
  expect(await ask()).toMatchObject({ 'x-onehop-draining': '1', ...(h2 ? {} : { connection: 'close' }) })
  await clock.advance(WINDOW.ttlMs)
  expect(await report).toMatchObject({ cutCount: 0, exitCode: 0 })
})

test('HTTP/2 in plain text: streams of the core API and of the compatibility API, under way and new', async () => {
  const server = createHttp2Server()
  const release: (() => void)[] = []
  server.on('stream', (stream, headers) => {
    if (headers[':path'] === '/later')
      release.push(() => stream.respond({ ':status': 200, 'x-own': 'kept' }, { endStream: true }))
    else if (headers[':path'] === '/stream') stream.respond({ 'x-own': 'kept' }, { endStream: true })
  })
  server.on('request', (incoming, response) => {
    if (incoming.url !== '/compat') return
    response.setHeader('x-own', 'kept')
    response.end()
  })
  const { shutdown, clock, port } = await leaving(server, WINDOW)
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => undefined)
  const headersOf = async (path: string): Promise<object> => {
    const stream = session.request({ ':path': path })
    stream.resume()
    return ((await once(stream, 'response')) as [object])[0]
  }
  const later = headersOf('/later')
  await expect.poll(() => release.length).toBe(1)
  expect(shutdown.inFlight).toBe(1)
  const report = shutdown.begin()
  release[0]?.()
  const marked = { 'x-onehop-draining': '1', 'x-own': 'kept', ':status': 200 }
  expect(await later).toMatchObject(marked)
  for (const path of ['/stream', '/compat']) expect(await headersOf(path)).toMatchObject(marked)
  await clock.advance(WINDOW.ttlMs)
  expect(await report).toMatchObject({ cutCount: 0, exitCode: 0 })
  expect(session.closed || session.destroyed).toBe(true)
})

/** HTTP/2, which is used where it is asked for alone. */
import {
  constants,
  createSecureServer,
  type Http2SecureServer,
  type Http2ServerRequest,
  type ServerHttp2Session,
} from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { Readable } from 'node:stream'
import { manualClock } from 'onehop/testing'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clientOf } from '../../../support/clients.ts'
import { allowForProcesses, runNode } from '../../../support/processes/programs.ts'
import { resources } from '../../../support/resources.ts'
import { ca, cert, key } from '../../../support/transports/tls.ts'
import { originIn, poolIn, WorldServer } from '../../../support/transports/worlds.ts'

allowForProcesses()
const { keep } = resources()
const ORIGIN = originIn('h2')

async function* hanging(): AsyncGenerator<string> {
  yield 'x'.repeat(70_000)
  await new Promise(() => undefined)
}

async function listen(server: Http2SecureServer, address = '127.0.1.1'): Promise<string> {
  const sessions = new Set<ServerHttp2Session>()
  server.on('session', (session) => sessions.add(session.on('error', () => undefined)))
  server.on('sessionError', () => undefined)
  await new Promise<void>((resolve) => server.listen(0, address, resolve))
  onTestFinished(() => {
    server.close()
    for (const session of sessions) session.destroy()
  })
  return `${address}:${(server.address() as AddressInfo).port}`
}

test.each([
  ['by default', {}, '1.1'],
  ['with allowH2: undefined', { allowH2: undefined as never }, '1.1'],
  ['with allowH2: false', { allowH2: false }, '1.1'],
  ['with allowH2: true', { allowH2: true }, '2.0'],
] as const)('a task that speaks both is spoken to %s', async (_how, pool, version) => {
  const server = createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
    response.end(request.httpVersion)
  })
  const label = await listen(server)
  const client = keep(clientOf([label], { pool: { connect: { ca }, ...pool } }))
  expect(await client.request(ORIGIN).then(({ body }) => body.text())).toBe(version)
})

test('a session that fell silent is not used again', async () => {
  const answers: boolean[] = []
  // The first session swallows all requests, as a host does that is gone without a word.
  let sessions = 0
  const silent = new WeakSet<object>()
  const server = createSecureServer({ key, cert }, (request, response) => {
    const isSilent = silent.has(request.stream.session as object)
    answers.push(!isSilent)
    if (!isSilent) response.end('ok')
  })
  server.on('session', (session) => {
    if (++sessions === 1) silent.add(session)
  })
  const label = await listen(server)
  const clock = manualClock(1_000)
  const client = keep(
    clientOf([label], { clock, pool: poolIn('h2'), retry: false, timeouts: { attemptMs: 500 } }),
  )
  const first = client.request(ORIGIN).catch((error: Error) => error)
  await expect.poll(() => answers.length).toBe(1)
  await clock.advance(500)
  expect(await first).toMatchObject({ code: 'UND_ERR_HEADERS_TIMEOUT' })
  expect(await client.request(ORIGIN).then(({ body }) => body.text())).toBe('ok')
  expect(sessions).toBe(2)
})

test('a session over which others are answered stays when one request is not', async () => {
  let sessions = 0
  const held: string[] = []
  const server = createSecureServer({ key, cert }, (request, response) => {
    if (request.url === '/never') held.push(request.url)
    else response.end('ok')
  })
  server.on('session', () => sessions++)
  const label = await listen(server)
  const clock = manualClock(1_000)
  const client = keep(
    clientOf([label], { clock, pool: poolIn('h2'), retry: false, timeouts: { attemptMs: 500 } }),
  )
  const get = (path: string): Promise<string> =>
    client.request(`${ORIGIN}${path}`).then(({ body }) => body.text())
  const never = get('/never').catch((error: Error) => error)
  await expect.poll(() => held.length).toBe(1)
  await clock.advance(400)
  expect(await get('/')).toBe('ok')
  await clock.advance(100)
  expect(await never).toBeInstanceOf(Error)
  expect(await get('/')).toBe('ok')
  expect(sessions).toBe(1)
})

describe('an aborted upload', () => {
  const bodies = {
    'a string': () => 'x'.repeat(300_000),
    'a stream': () => Readable.from(['x'.repeat(70_000), 'x'.repeat(70_000)]),
    // undici takes them, its types do not tell.
    'an iterable': () => hanging() as unknown as Readable,
  }
  test.each(Object.entries(bodies))(
    'of %s is reset with CANCEL, and leaves its connection to the other calls and the next ones',
    async (_kind, bodyOf) => {
      const held: (() => void)[] = []
      const codes: number[] = []
      const server = keep(
        await WorldServer.start('h2', (request, response) => {
          if (request.url === '/upload') {
            const { stream } = request as unknown as Http2ServerRequest
            stream.on('close', () => codes.push(stream.rstCode))
            return
          }
          request.resume()
          held.push(() => void response.end(request.url))
        }),
      )
      const client = keep(clientOf([server.label], { pool: poolIn('h2') }))
      const get = (path: string): Promise<string> =>
        client.request(`${ORIGIN}${path}`).then(({ body }) => body.text())
      const other = get('/other')
      await expect.poll(() => held.length).toBe(1)
      const abort = new AbortController()
      const upload = client
        .request(`${ORIGIN}/upload`, { method: 'PUT', body: bodyOf(), signal: abort.signal })
        .catch((error: Error) => error.message)
      await expect.poll(() => server.seen.length).toBe(2)
      abort.abort(new Error('left'))
      expect(await upload).toBe('left')
      const next = get('/next')
      await expect.poll(() => held.length).toBe(2)
      await expect.poll(() => codes).toEqual([constants.NGHTTP2_CANCEL])
      expect(server.connections).toBe(1)
      for (const answer of held) answer()
      expect(await Promise.all([other, next])).toEqual(['/other', '/next'])
      await expect.poll(() => server.sockets.size).toBe(1)
    },
  )

  test('whose body fails has that error, and does not count against its task', async () => {
    const server = keep(await WorldServer.start('h2', () => undefined))
    const client = keep(clientOf([server.label], { pool: poolIn('h2') }))
    const body = new Readable({ read: () => undefined })
    body.push('some')
    const upload = client.request(ORIGIN, { method: 'PUT', body }).catch((error: Error) => error.message)
    await expect.poll(() => server.seen.length).toBe(1)
    body.destroy(new Error('the file is gone'))
    expect(await upload).toBe('the file is gone')
    const upstream = client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams[0]
    expect(upstream).toMatchObject({ state: 'available', failures: 0, pending: 0 })
  })

  test.each(['aborted', 'refused'])('does not make the process spin: %s', async (kind) => {
    // In a process of its own, which can be ended. undici's own Pool spins in nearly every run.
    const file = new URL('../../../support/processes/http2-uploads.ts', import.meta.url).pathname
    const { stdout } = await runNode([file, kind])
    expect(JSON.parse(stdout)).toEqual({ aborted: 400, unhandled: 0 })
  })
})

const HEADERS = 1
const SETTINGS = 4
const GOAWAY = 7

/** Answers its first stream with a GOAWAY that says that it was not processed, and takes no other connection. */
async function goingAway(): Promise<string> {
  const frame = (type: number, payload: Buffer = Buffer.alloc(0)): Buffer => {
    const head = Buffer.alloc(9)
    head.writeUIntBE(payload.length, 0, 3)
    head[3] = type
    return Buffer.concat([head, payload])
  }
  const server = createTlsServer({ key, cert, ALPNProtocols: ['h2'] }, (socket) => {
    socket.on('error', () => undefined)
    socket.write(frame(SETTINGS))
    let received = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      // Behind the preface there are frames.
      for (let at = 24; at + 9 <= received.length; at += 9 + received.readUIntBE(at, 3)) {
        if (received[at + 3] !== HEADERS) continue
        server.close()
        socket.write(frame(GOAWAY, Buffer.alloc(8)))
        return
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
  onTestFinished(() => void server.close())
  return `127.0.1.1:${(server.address() as AddressInfo).port}`
}

test('a connection that cannot be made for a request that undici begins again is a connection error', async () => {
  const leaving = await goingAway()
  const good = keep(
    await WorldServer.start('h2', (request, response) => void request.pipe(response), '127.0.1.2'),
  )
  const client = keep(clientOf([leaving, good.label], { pool: poolIn('h2') }))
  const { body } = await client.request(ORIGIN, { method: 'POST', body: 'pay' })
  expect(await body.text()).toBe('pay')
  expect(good.seen).toEqual(['POST /'])
  const upstream = client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams[0]
  expect(upstream).toMatchObject({ state: 'ejected', cause: 'refuses' })
})

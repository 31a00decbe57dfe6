/** Aborts and timeouts in every phase, as callers make them: by signals. */
import { EventEmitter } from 'node:events'
import type { RequestListener } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { fetch } from 'undici'
import { describe, expect } from 'vitest'
import { delivered } from '../support/delivered.ts'
import { sameAsUndici, type Serving, type Way } from './support/ways.ts'
import { WireServer } from './support/wire-server.ts'

/** Says how far a request has come, and goes no further. */
const stands: RequestListener = (request, response) => {
  request.resume()
  if (request.url === '/body') response.writeHead(200, { 'content-length': 9 }).write('some')
}
const server: Serving = (transport) => WireServer.http(stands, transport)

const reason = new RangeError('left')
const PIECE = 'chunk'

async function* endless(): AsyncGenerator<string> {
  for (;;) {
    yield PIECE
    await delay(30)
  }
}

interface Phase {
  readonly path: string
  readonly body?: () => unknown
  readonly before?: boolean
}
const phases: Record<string, Phase> = {
  'before it begins': { path: '/', before: true },
  'while it waits for headers': { path: '/' },
  'while its body is sent': { path: '/', body: () => Readable.from(endless()) },
  'while a body by an iterable is sent': { path: '/', body: endless },
  'while the response body comes in': { path: '/body' },
}

type Calling = (way: Way, phase: Phase, signal: AbortSignal | EventEmitter) => Promise<unknown>
const options = (way: Way, { path, body }: Phase) => ({
  origin: way.origin,
  path,
  method: (body === undefined ? 'GET' : 'PUT') as 'GET',
  body: (body?.() ?? null) as string | null,
})
const callings: Record<string, Calling> = {
  request: async (way, phase, signal) => {
    const { body } = await way.dispatcher.request({ ...options(way, phase), signal })
    return body.text()
  },
  stream: async (way, phase, signal) => {
    const sink = new PassThrough().resume()
    await way.dispatcher.stream({ ...options(way, phase), signal }, () => sink)
  },
  pipeline: async (way, phase, signal) => {
    const duplex = way.dispatcher.pipeline({ ...options(way, phase), body: null, signal }, ({ body }) => body)
    duplex.end()
    const chunks: unknown[] = []
    for await (const chunk of duplex) chunks.push(chunk)
    return chunks
  },
  fetch: async (way, phase, signal) => {
    const { origin, path, method, body } = options(way, phase)
    const init = { method, body, duplex: 'half', signal, dispatcher: way.dispatcher }
    return (await fetch(origin + path, init as never)).text()
  },
}

for (const [name, calling] of Object.entries(callings)) {
  describe(`an abort of ${name}`, () => {
    for (const [when, phase] of Object.entries(phases)) {
      sameAsUndici(when, {
        server,
        call: async (way, at) => {
          const abort = new AbortController()
          if (phase.before === true) abort.abort(reason)
          const call = calling(way, phase, abort.signal)
          const outcome = call.catch((error: unknown) => error)
          if (phase.before === true) return outcome
          // A pipeline has its body from what is written to it.
          const sent = phase.body === undefined || name === 'pipeline' ? phase.path : PIECE
          await expect.poll(() => at.connections.flat().join('')).toContain(sent)
          await delivered()
          abort.abort(reason)
          return outcome
        },
        // undici's own: these two do not look at the reason of a signal that was aborted before.
        sees:
          phase.before === true && (name === 'stream' || name === 'pipeline')
            ? { error: 'AbortError', code: 'UND_ERR_ABORTED', message: 'Request aborted' }
            : { error: 'RangeError', message: 'left' },
        anyBytes: true,
      })
    }
  })
}

describe('a signal', () => {
  sameAsUndici('may be an emitter, which has no reason', {
    server,
    call: async (way, at) => {
      const signal = new EventEmitter()
      const call = callings['request']?.(way, { path: '/' }, signal).catch((error: unknown) => error)
      await expect.poll(() => at.connections.flat().length).toBe(1)
      signal.emit('abort')
      return call
    },
    sees: expect.objectContaining({ error: 'AbortError', code: 'UND_ERR_ABORTED' }),
  })
  sameAsUndici('is let go of when the call is over', {
    server: (transport) => WireServer.http((_request, response) => void response.end('ok'), transport),
    call: async (way) => {
      const signal = new EventEmitter()
      const text = await callings['request']?.(way, { path: '/' }, signal)
      await delivered()
      return [text, signal.listenerCount('abort')]
    },
    sees: ['ok', 0],
  })
  sameAsUndici('that times out tells so', {
    server,
    call: (way) => callings['request']?.(way, { path: '/' }, AbortSignal.timeout(500)) ?? Promise.resolve(),
    sees: expect.objectContaining({ error: 'TimeoutError' }),
  })
})

describe('a reader that leaves', () => {
  sameAsUndici('by destroying the body', {
    server,
    call: async (way, at) => {
      const { body } = await way.dispatcher.request({ origin: way.origin, path: '/body', method: 'GET' })
      const gone = new Promise((resolve) => body.once('error', resolve))
      body.destroy(reason)
      const error = await gone
      await expect.poll(() => at.sockets.size).toBe(0)
      return error
    },
    sees: { error: 'RangeError', message: 'left' },
    notOver: { h2: 'the connection stays, for other streams' },
  })
  sameAsUndici('by dumping the body, which keeps the connection', {
    server: (transport) =>
      WireServer.http((_request, response) => void response.end(Buffer.alloc(50_000)), transport),
    call: async (way, at) => {
      const { body } = await way.dispatcher.request({ origin: way.origin, path: '/', method: 'GET' })
      await body.dump()
      await delivered()
      const open = at.sockets.size
      await callings['request']?.(way, { path: '/' }, new EventEmitter())
      return [open, at.sockets.size, at.connections.length]
    },
    sees: [1, 1, 1],
  })
  sameAsUndici('of fetch, by cancelling', {
    server,
    call: async (way, at) => {
      const response = await fetch(`${way.origin}/body`, { dispatcher: way.dispatcher })
      await response.body?.cancel(reason)
      await expect.poll(() => at.sockets.size).toBe(0)
      return response.status
    },
    sees: 200,
    notOver: { h2: 'the connection stays, for other streams' },
  })
})

// undici looks at its timeouts about twice a second, and this library has its own: what counts is the error.
describe('a timeout', () => {
  const withoutWords = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => 'answered',
      (error: NodeJS.ErrnoException) => [error.name, error.code],
    )
  sameAsUndici('for headers', {
    server,
    call: (way) =>
      withoutWords(
        way.dispatcher.request({ origin: way.origin, path: '/', method: 'GET', headersTimeout: 300 }),
      ),
    atOnce: true,
    sees: ['HeadersTimeoutError', 'UND_ERR_HEADERS_TIMEOUT'],
  })
  sameAsUndici('for the body', {
    server,
    call: async (way) => {
      const { body } = await way.dispatcher.request({
        origin: way.origin,
        path: '/body',
        method: 'GET',
        bodyTimeout: 300,
      })
      return body.text()
    },
    atOnce: true,
    sees: { error: 'BodyTimeoutError', code: 'UND_ERR_BODY_TIMEOUT', message: 'Body Timeout Error' },
    seesOver: { h2: expect.objectContaining({ error: 'BodyTimeoutError', code: 'UND_ERR_BODY_TIMEOUT' }) },
  })
  sameAsUndici('that is off waits', {
    server: (transport) =>
      WireServer.http((_request, response) => void setTimeout(() => response.end('late'), 1_500), transport),
    call: async (way) => {
      const { body } = await way.dispatcher.request({
        origin: way.origin,
        path: '/',
        method: 'GET',
        headersTimeout: 0,
        bodyTimeout: 0,
      })
      return body.text()
    },
    atOnce: true,
    sees: 'late',
  })
})

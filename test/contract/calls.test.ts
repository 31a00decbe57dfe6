/** undici's other ways of calling (stream, pipeline, upgrade, connect, fetch, WebSocket, EventSource) and its interceptors. */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { PassThrough, Readable } from 'node:stream'
import { gzipSync } from 'node:zlib'
import { EventSource, fetch, FormData, interceptors, WebSocket, type Dispatcher } from 'undici'
import { describe, expect } from 'vitest'
import { delivered } from '../support/delivered.ts'
import { asked, echo } from './support/echo.ts'
import { trace } from './support/trace.ts'
import { sameAsUndici, type Scenario, type Serving, type Way } from './support/ways.ts'
import { WireServer } from './support/wire-server.ts'

const http =
  (answer: RequestListener): Serving =>
  (transport) =>
    WireServer.http(answer, transport)
const server = http(echo)

async function textOf(stream: Readable): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

describe('stream', () => {
  sameAsUndici('writes the body where the caller says', {
    server,
    call: async (way) => {
      const sink = new PassThrough()
      const { opaque, trailers } = await way.dispatcher.stream(
        { origin: way.origin, path: '/', method: 'PUT', body: 'body', opaque: { sink } },
        ({ statusCode, opaque: own }) => {
          sink.write(`${statusCode} `)
          return own.sink
        },
      )
      return [await textOf(sink), Object.keys(opaque), trailers]
    },
    sees: ['200 body', ['sink'], {}],
  })
  sameAsUndici('fails with what its factory throws, and with what its sink fails with', {
    server,
    call: async (way) => {
      const options = { origin: way.origin, path: '/', method: 'PUT', body: 'body' } as const
      const thrown = await way.dispatcher
        .stream(options, () => {
          throw new RangeError('no place')
        })
        .catch((error: unknown) => error)
      const broken = await way.dispatcher
        .stream(options, () => {
          const sink = new PassThrough()
          sink.destroy(new RangeError('full'))
          return sink
        })
        .catch((error: unknown) => error)
      return [thrown, broken]
    },
    sees: [
      { error: 'RangeError', message: 'no place' },
      { error: 'RangeError', message: 'full' },
    ],
    anyBytes: true,
  })
})

describe('pipeline', () => {
  sameAsUndici('sends what is written and reads what is answered', {
    server,
    call: (way) =>
      textOf(
        Readable.from(['bo', 'dy']).pipe(
          way.dispatcher.pipeline({ origin: way.origin, path: '/', method: 'PUT' }, ({ body }) => body),
        ),
      ),
    sees: 'body',
    notOver: { h2: 'of a stream that this library hands on in pieces, undici does not know the length' },
  })
  sameAsUndici('fails with what its handler throws', {
    server,
    call: (way) =>
      textOf(
        way.dispatcher
          .pipeline({ origin: way.origin, path: '/', method: 'PUT' }, () => {
            throw new RangeError('no')
          })
          .end('x'),
      ),
    sees: { error: 'RangeError', message: 'no' },
    anyBytes: true,
  })
})

/** Switches, and from then on sends back what comes. */
const switches: RequestListener = (request, socket) => {
  const { url } = request
  const raw = socket as unknown as Socket
  if (url === '/no') {
    raw.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno')
    return
  }
  const first =
    request.method === 'CONNECT'
      ? '200 Connected\r\n'
      : '101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n'
  raw.write(`HTTP/1.1 ${first}x: y\r\n\r\n`)
  raw.pipe(raw)
}

const AS_HTTP1: Scenario['notOver'] = { h2: 'these tasks switch as HTTP/1.1 does' }
const ASKED_AGAIN: Scenario['notOver'] = {
  h2: 'undici refuses it; this library asks over HTTP/1.1, which these tasks do not speak',
}

async function echoed(socket: Readable & { write(text: string): boolean }): Promise<string> {
  socket.write('ping')
  const [chunk] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return chunk.toString()
}

describe('a switch', () => {
  sameAsUndici('by upgrade', {
    server: http(switches),
    call: async (way) => {
      const { headers, socket } = await way.dispatcher.upgrade({
        origin: way.origin,
        path: '/',
        protocol: 'echo',
      } as Dispatcher.UpgradeOptions)
      return [headers, await echoed(socket)]
    },
    sees: [expect.objectContaining({ x: 'y' }), 'ping'],
    notOver: ASKED_AGAIN,
  })
  sameAsUndici('by CONNECT', {
    server: http(switches),
    call: async (way) => {
      const { statusCode, headers, socket } = await way.dispatcher.connect({
        origin: way.origin,
        path: 'a.example:80',
      })
      return [statusCode, headers, await echoed(socket)]
    },
    sees: [200, { x: 'y' }, 'ping'],
    notOver: AS_HTTP1,
  })
  sameAsUndici('by upgrade that is refused', {
    server: http(switches),
    call: ({ dispatcher, origin }) =>
      dispatcher.upgrade({ origin, path: '/no', protocol: 'echo' } as Dispatcher.UpgradeOptions),
    sees: expect.objectContaining({ code: 'UND_ERR_SOCKET', message: 'bad upgrade' }),
    notOver: ASKED_AGAIN,
  })
  sameAsUndici('by CONNECT that is refused', {
    server: http(switches),
    call: async ({ dispatcher, origin }) => {
      const { statusCode, socket } = await dispatcher.connect({
        origin,
        path: '/no',
      })
      socket.destroy()
      return statusCode
    },
    sees: 403,
    notOver: AS_HTTP1,
  })
  sameAsUndici('is told to a handler', {
    server: http(switches),
    call: ({ dispatcher, origin }) =>
      trace(dispatcher, { origin, path: '/', method: 'GET', upgrade: 'echo' }),
    sees: expect.arrayContaining([expect.stringContaining('onRequestUpgrade 101')]),
    notOver: ASKED_AGAIN,
  })
  sameAsUndici('that a handler throws at', {
    server: http(switches),
    call: async ({ dispatcher, origin }, at) => {
      const told = await trace(
        dispatcher,
        { origin, path: '/', method: 'GET', upgrade: 'echo' },
        (callback) => {
          if (callback === 'onRequestUpgrade') throw new RangeError('a bug')
        },
      )
      await expect.poll(() => at.sockets.size).toBe(0)
      return told
    },
    sees: expect.arrayContaining([expect.stringContaining('onRequestUpgrade 101')]),
    notOver: AS_HTTP1,
  })
})

describe('fetch', () => {
  const fetched = async (way: Way, init: object = {}, path = '/'): Promise<unknown> => {
    const response = await fetch(way.origin + path, { dispatcher: way.dispatcher, ...init })
    const { status, statusText, redirected, headers } = response
    return [status, statusText, redirected, Object.fromEntries(headers), await response.text()]
  }
  const bodies: Record<string, () => unknown> = {
    'a string': () => 'body',
    bytes: () => Buffer.from('body'),
    'a Blob': () => new Blob(['body'], { type: 'text/x' }),
    'form parameters': () => new URLSearchParams({ a: 'b c' }),
    'a FormData': () => {
      const form = new FormData()
      form.set('field', 'value')
      return form
    },
    'a stream': () => new Blob(['body']).stream(),
    'a generator': async function* () {
      yield Buffer.from('body')
    },
  }
  for (const [kind, body] of Object.entries(bodies)) {
    sameAsUndici(`of ${kind}`, {
      server,
      call: (way) => fetched(way, { method: 'PUT', body: body(), duplex: 'half' }),
      sees: expect.arrayContaining([200]),
    })
  }
  sameAsUndici('follows redirects, and says so', {
    server: http((request, response) => {
      if (request.url === '/old') response.writeHead(302, { location: '/new' })
      response.end(request.url)
    }),
    call: (way) => fetched(way, {}, '/old'),
    sees: [200, 'OK', true, expect.any(Object), '/new'],
    seesOver: { h2: [200, '', true, expect.any(Object), '/new'] },
  })
  sameAsUndici('decodes gzip', {
    server: http((_request, response) => {
      response.setHeader('content-encoding', 'gzip')
      response.end(gzipSync('the text'))
    }),
    call: (way) => fetched(way),
    sees: [200, 'OK', false, expect.any(Object), 'the text'],
    seesOver: { h2: [200, '', false, expect.any(Object), 'the text'] },
  })
  sameAsUndici('fails with a cause', {
    server: http((request) => void request.socket.resetAndDestroy()),
    call: (way) => fetched(way),
    sees: {
      error: 'TypeError',
      message: 'fetch failed',
      cause: expect.objectContaining({ code: 'ECONNRESET' }),
    },
  })
})

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Takes a WebSocket, says one word and goodbye. */
const webSocket: RequestListener = (request: IncomingMessage, response: ServerResponse) => {
  const socket = response as unknown as Socket
  const key = request.headers['sec-websocket-key'] ?? ''
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64')
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
  )
  socket.write(Buffer.from([0x81, 2, 0x68, 0x69]))
  socket.end(Buffer.from([0x88, 2, 0x03, 0xe8]))
}

describe('what undici builds on it', () => {
  sameAsUndici('a WebSocket', {
    server: http(webSocket),
    call: async (way) => {
      const events: unknown[] = []
      const web = new WebSocket(way.origin.replace('http', 'ws'), { dispatcher: way.dispatcher })
      const closed = Promise.withResolvers<void>()
      web.addEventListener('open', () => events.push('open'))
      web.addEventListener('message', ({ data }) => events.push(data))
      web.addEventListener('error', ({ error }) => events.push(error))
      web.addEventListener('close', ({ code, wasClean }) => {
        events.push(code, wasClean)
        closed.resolve()
      })
      await closed.promise
      return events
    },
    sees: ['open', 'hi', 1000, true],
    notOver: { h2: 'these tasks speak HTTP/2 alone, and do not know RFC 8441' },
    anyBytes: true,
  })
  sameAsUndici('an EventSource', {
    server: http((_request, response) => {
      response.setHeader('content-type', 'text/event-stream')
      response.write('data: hi\n\n')
    }),
    call: async (way) => {
      const source = new EventSource(way.origin, { node: { dispatcher: way.dispatcher } })
      const message = await new Promise((resolve) =>
        source.addEventListener('message', ({ data }) => resolve(data)),
      )
      source.close()
      return message
    },
    sees: 'hi',
  })
})

describe('interceptors around it', () => {
  let count = 0
  const composed = (way: Way, ...list: Dispatcher.DispatcherComposeInterceptor[]): Way => ({
    ...way,
    dispatcher: way.dispatcher.compose(...list),
  })
  sameAsUndici('redirect', {
    server: http((request, response) => {
      if (request.url === '/') response.writeHead(307, { location: '/new' })
      request.pipe(response)
    }),
    call: (way) =>
      asked(composed(way, interceptors.redirect({ maxRedirections: 1 })), { method: 'PUT', body: 'body' }),
    sees: expect.objectContaining({ statusCode: 200, text: 'body' }),
  })
  sameAsUndici('decompress', {
    server: http((_request, response) => {
      response.setHeader('content-encoding', 'gzip')
      response.end(gzipSync('the text'))
    }),
    call: (way) => asked(composed(way, interceptors.decompress())),
    sees: expect.objectContaining({ text: 'the text' }),
  })
  sameAsUndici('cache', {
    server: http((_request, response) => {
      response.setHeader('cache-control', 'max-age=60')
      response.end(String(++count))
    }),
    call: async (way) => {
      const cached = composed(way, interceptors.cache())
      const texts: unknown[] = []
      count = 0
      for (let i = 0; i < 3; i++) texts.push(((await asked(cached)) as { text: unknown }).text)
      return texts
    },
    sees: ['1', '1', '1'],
  })
  sameAsUndici('retry', {
    server: http((_request, response) => {
      response.statusCode = ++count % 3 === 0 ? 200 : 503
      response.end(String(response.statusCode))
    }),
    call: (way) => {
      count = 0
      return asked(composed(way, interceptors.retry({ minTimeout: 1, maxTimeout: 1 })))
    },
    sees: expect.objectContaining({ statusCode: 200, text: '200' }),
  })
  sameAsUndici('retry of a body that broke off, from where it did', {
    server: http((request, response) => {
      const { range } = request.headers
      if (range === undefined) {
        response.writeHead(200, { 'content-length': 8, etag: '"x"', 'accept-ranges': 'bytes' })
        response.write('half', () => void delivered().then(() => request.socket.resetAndDestroy()))
      } else {
        response.writeHead(206, { 'content-range': 'bytes 4-7/8', 'content-length': 4, etag: '"x"' })
        response.end('done')
      }
    }),
    call: (way) => asked(composed(way, interceptors.retry({ minTimeout: 1, maxTimeout: 1 }))),
    sees: expect.objectContaining({ statusCode: 200, text: 'halfdone' }),
    // undici's error of HTTP/2 is none that its interceptor retries.
    seesOver: { h2: expect.objectContaining({ code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' }) },
  })
  sameAsUndici('dump', {
    server: http((_request, response) => void response.end(Buffer.alloc(1_000))),
    call: (way) => asked(composed(way, interceptors.dump({ maxSize: 2_000 }))),
    sees: expect.objectContaining({ text: '' }),
  })
  sameAsUndici('dump of too much', {
    server: http((_request, response) => void response.end(Buffer.alloc(1_000))),
    call: (way) => asked(composed(way, interceptors.dump({ maxSize: 500 }))),
    sees: expect.objectContaining({ code: 'UND_ERR_ABORTED' }),
  })
  sameAsUndici('responseError', {
    server: http((_request, response) => {
      response.writeHead(404, { 'content-type': 'application/json' })
      response.end('{"a":1}')
    }),
    call: async (way) => {
      const error = await asked(composed(way, interceptors.responseError())).catch(
        (failure: unknown) => failure,
      )
      const { statusCode, body } = error as { statusCode: number; body: unknown }
      return [error, statusCode, body]
    },
    sees: [expect.objectContaining({ code: 'UND_ERR_RESPONSE' }), 404, { a: 1 }],
  })
  sameAsUndici('deduplicate', {
    server: http((_request, response) => void setTimeout(() => response.end(String(++count)), 20)),
    call: async (way) => {
      count = 0
      const one = composed(way, interceptors.deduplicate())
      const answers = (await Promise.all([asked(one), asked(one), asked(one)])) as { text: unknown }[]
      return answers.map(({ text }) => text)
    },
    sees: ['1', '1', '1'],
  })
  sameAsUndici('several at once', {
    server: http((request, response) => {
      if (request.url === '/') response.writeHead(302, { location: '/new' })
      else response.setHeader('content-encoding', 'gzip')
      response.end(gzipSync('the text'))
    }),
    call: (way) =>
      asked(
        composed(
          way,
          interceptors.decompress(),
          interceptors.redirect({ maxRedirections: 1 }),
          interceptors.retry(),
        ),
      ),
    sees: expect.objectContaining({ text: 'the text' }),
  })
})

/** What servers answer, well and badly: the caller hears it as from undici, to the last trailer. */
import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import { describe, expect } from 'vitest'
import { delivered } from '../support/delivered.ts'
import { asked } from './support/echo.ts'
import { trace } from './support/trace.ts'
import { sameAsUndici, type Serving, type Way } from './support/ways.ts'
import { WireServer } from './support/wire-server.ts'

const http =
  (answer: RequestListener): Serving =>
  (transport) =>
    WireServer.http(answer, transport)

/** Answers with these bytes, once the request is there. */
const says = (...parts: string[]): Serving =>
  saying((socket) => {
    for (const part of parts) socket.write(part, 'latin1')
  })

const saying =
  (answer: (socket: Socket) => void): Serving =>
  (transport) =>
    WireServer.raw((socket, sent) => {
      if (sent().endsWith('\r\n\r\n')) answer(socket)
    }, transport)

const get = (way: Way): Promise<string[]> =>
  trace(way.dispatcher, { origin: way.origin, path: '/', method: 'GET' })
const head = (way: Way): Promise<string[]> =>
  trace(way.dispatcher, { origin: way.origin, path: '/', method: 'HEAD' })

const ended = (...lines: string[]): unknown => [
  'onRequestStart null',
  'onRequestSent',
  'onResponseStarted',
  ...lines.map((line) => expect.stringContaining(line)),
]
const failed = (code: string, ...lines: string[]): unknown => [
  'onRequestStart null',
  'onRequestSent',
  ...lines.map((line) => expect.stringContaining(line)),
  expect.stringMatching(new RegExp(`^onResponseError \\w+ .*${code}`)),
]

describe('answers', () => {
  for (const status of [200, 201, 202, 206, 301, 304, 400, 404, 418, 429, 500, 502, 503, 504, 599, 999]) {
    sameAsUndici(`a ${status}`, {
      server: says(
        `HTTP/1.1 ${status} Some Reason\r\n${status === 304 ? 'etag: x' : 'content-length: 0'}\r\n\r\n`,
      ),
      call: get,
      sees: ended(`onResponseStart ${status}`, 'onResponseEnd {}'),
    })
  }
  sameAsUndici('a 204, whatever length it claims', {
    server: says('HTTP/1.1 204 No Content\r\n\r\n'),
    call: get,
    sees: ended('onResponseStart 204', 'onResponseEnd'),
  })
  sameAsUndici('no reason', {
    server: says('HTTP/1.1 200\r\ncontent-length: 0\r\n\r\n'),
    call: get,
    sees: ended('onResponseStart 200', 'onResponseEnd'),
  })
  sameAsUndici('the answer to a HEAD', {
    server: says('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n'),
    call: head,
    sees: ended('onResponseStart 200 {"content-length":"100"}', 'onResponseEnd {}'),
  })
  sameAsUndici('headers of the same name, and those that are not ASCII', {
    server: says(
      'HTTP/1.1 200 OK\r\nset-cookie: a\r\nSet-Cookie: b\r\nx: \xe4\r\nX: 2\r\ncontent-length: 0\r\n\r\n',
    ),
    call: get,
    sees: ended('"set-cookie":["a","b"]', 'onResponseEnd'),
  })
  sameAsUndici('chunks and trailers', {
    server: says(
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n',
      '3\r\none\r\n',
      '3\r\ntwo\r\n',
      '0\r\nX-Sum: 6\r\nx-sum: 7\r\n\r\n',
    ),
    call: async (way) => [await get(way), await asked(way)],
    sees: [
      ended(
        'onResponseStart 200',
        'onResponseData',
        'onResponseEnd {"x-sum":["6","7"]} ["X-Sum","6","x-sum","7"]',
      ),
      expect.objectContaining({ text: 'onetwo', trailers: { 'x-sum': ['6', '7'] } }),
    ],
  })
  sameAsUndici('a body that ends with the connection', {
    server: saying((socket) => void socket.end('HTTP/1.1 200 OK\r\n\r\nthe body')),
    call: (way) => asked(way),
    sees: expect.objectContaining({ text: 'the body' }),
  })
  sameAsUndici('gzip, which is passed on as it is', {
    server: http((_request, response) => {
      response.setHeader('content-encoding', 'gzip')
      response.end(gzipSync('the text'))
    }),
    call: async (way) => {
      const { headers, body } = await way.dispatcher.request({ origin: way.origin, path: '/', method: 'GET' })
      return [headers, Buffer.from(await body.arrayBuffer()).toString('hex')]
    },
    sees: [expect.objectContaining({ 'content-encoding': 'gzip' }), gzipSync('the text').toString('hex')],
  })
})

describe('what comes before an answer', () => {
  sameAsUndici('early hints, and more of them', {
    server: says(
      'HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </b.css>\r\n\r\n',
      'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok',
    ),
    call: async (way) => {
      const hints: unknown[] = []
      const { statusCode, body } = await way.dispatcher.request({
        origin: way.origin,
        path: '/',
        method: 'GET',
        onInfo: (info) => hints.push(info),
      })
      return [await get(way), statusCode, await body.text(), hints]
    },
    sees: [
      expect.arrayContaining([expect.stringContaining('onResponseStart 103 {"link":"</a.css>"}')]),
      200,
      'ok',
      expect.objectContaining({ length: 3 }),
    ],
  })
  sameAsUndici('a 100 that nobody asked for', {
    server: says('HTTP/1.1 100 Continue\r\n\r\n'),
    call: get,
    sees: failed('UND_ERR_SOCKET', 'onResponseStarted'),
  })
  sameAsUndici('a switch that nobody asked for', {
    server: says('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'),
    call: get,
    sees: failed('UND_ERR_SOCKET', 'onResponseStarted'),
  })
})

/** Node's server refuses to send such, and answers nothing. */
const NO_SUCH_HEADERS = { h2: 'HTTP/2 has no headers of the connection' }

describe('connections', () => {
  const sockets = (way: Way): Promise<unknown> => asked(way)
  const twice = async (way: Way, server: WireServer): Promise<number> => {
    for (let i = 0; i < 3; i++) {
      await sockets(way)
      // A connection that ends has ended by then, for both sides.
      await delivered()
    }
    return server.connections.length
  }
  sameAsUndici('are used again', {
    server: http((_request, response) => void response.end('ok')),
    call: twice,
    sees: 1,
  })
  sameAsUndici('are not used again after `Connection: close`', {
    server: http((_request, response) => void response.setHeader('connection', 'close').end('ok')),
    call: twice,
    sees: 3,
    notOver: NO_SUCH_HEADERS,
  })
  sameAsUndici('are not used again after a `Keep-Alive` that is over', {
    server: http((_request, response) => void response.setHeader('keep-alive', 'timeout=0').end('ok')),
    call: twice,
    sees: 3,
    notOver: NO_SUCH_HEADERS,
  })
  sameAsUndici('are not used again by HTTP/1.0', {
    server: saying((socket) => void socket.end('HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok')),
    call: twice,
    sees: 3,
  })
  sameAsUndici('that the server ends while idle are replaced', {
    server: http((_request, response) => void response.end('ok')),
    call: async (way, server) => {
      for (let i = 0; i < 3; i++) {
        await sockets(way)
        for (const socket of server.sockets) socket.destroy()
        await expect.poll(() => server.sockets.size).toBe(0)
        await delivered()
      }
      return server.connections.length
    },
    sees: 3,
  })
})

describe('answers that are none', () => {
  const bad: Record<string, [string, string, ...string[]]> = {
    'no HTTP at all': ['SSH-2.0-OpenSSH_9.6\r\n', 'Expected HTTP/', 'onResponseStarted'],
    'a status that is none': ['HTTP/1.1 abc OK\r\n\r\n', 'Invalid status code', 'onResponseStarted'],
    'a header without a colon': [
      'HTTP/1.1 200 OK\r\nbroken\r\n\r\n',
      'Invalid header token',
      'onResponseStarted',
    ],
    'two lengths': [
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
      'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
      'onResponseStarted',
    ],
    'a length beside chunks': [
      'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
      'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
      'onResponseStarted',
    ],
    'a chunk of no length': [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n',
      'Invalid character in chunk size',
      'onResponseStarted',
      'onResponseStart 200',
    ],
    'headers that never end': [
      `HTTP/1.1 200 OK\r\n${'x: yyyyyyyyyy\r\n'.repeat(2_000)}`,
      'UND_ERR_HEADERS_OVERFLOW',
      'onResponseStarted',
    ],
  }
  for (const [name, [bytes, code, ...lines]] of Object.entries(bad)) {
    sameAsUndici(name, { server: says(bytes), call: get, sees: failed(code, ...lines) })
  }
  const cut: Record<string, [string, 'end' | 'reset', string, ...string[]]> = {
    'an end without a word': ['', 'end', 'UND_ERR_SOCKET'],
    'a reset without a word': ['', 'reset', 'ECONNRESET'],
    'an end within the headers': ['HTTP/1.1 200 OK\r\nx: ', 'end', 'UND_ERR_SOCKET', 'onResponseStarted'],
    'a reset within the headers': ['HTTP/1.1 200 OK\r\nx: ', 'reset', 'ECONNRESET', 'onResponseStarted'],
    'an end within the body': [
      'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsome',
      'end',
      'UND_ERR_SOCKET',
      'onResponseStarted',
      'onResponseStart 200',
      'onResponseData',
    ],
    'a reset within the body': [
      'HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nsome',
      'reset',
      'ECONNRESET',
      'onResponseStarted',
      'onResponseStart 200',
      'onResponseData',
    ],
    'an end within a chunk': [
      'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n9\r\nsome',
      'end',
      'UND_ERR_SOCKET',
      'onResponseStarted',
      'onResponseStart 200',
      'onResponseData',
    ],
  }
  for (const [name, [bytes, how, code, ...lines]] of Object.entries(cut)) {
    sameAsUndici(name, {
      server: saying((socket) => {
        const leave = (): void => void (how === 'end' ? socket.end() : socket.resetAndDestroy())
        // A reset overtakes what was written just before it.
        if (bytes === '') leave()
        else socket.write(bytes, () => void delivered().then(leave))
      }),
      call: get,
      sees: failed(code, ...lines),
    })
  }
  sameAsUndici('a port where nobody listens', {
    server: http(() => undefined),
    call: async (way, server) => {
      await server.kill()
      return asked(way)
    },
    sees: { error: 'Error', code: 'ECONNREFUSED', message: 'connect ECONNREFUSED HOST' },
  })
})

describe("a pool's own limits", () => {
  sameAsUndici('on headers', {
    server: says(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(200)}\r\n\r\n`),
    call: get,
    sees: failed('UND_ERR_HEADERS_OVERFLOW', 'onResponseStarted'),
    pool: { maxHeaderSize: 100 },
  })
  sameAsUndici('on the length of a response', {
    server: says('HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n', 'x'.repeat(200)),
    call: get,
    sees: failed('UND_ERR_RES_EXCEEDED_MAX_SIZE', 'onResponseStarted', 'onResponseStart 200'),
    pool: { maxResponseSize: 100 },
  })
  sameAsUndici('on requests by one connection', {
    server: http((_request, response) => void response.end('ok')),
    call: async (way, server) => {
      for (let i = 0; i < 4; i++) await asked(way)
      return server.connections.length
    },
    sees: 2,
    // undici does not count streams.
    seesOver: { h2: 1 },
    pool: { maxRequestsPerClient: 2 },
  })
  sameAsUndici('on connections, which queues what exceeds them', {
    server: http((_request, response) => void setTimeout(() => response.end('ok'), 5)),
    call: async (way, server) => {
      await Promise.all(Array.from({ length: 10 }, () => asked(way)))
      return server.connections.length
    },
    sees: 2,
    seesOver: { h2: 1 },
    pool: { connections: 2 },
    anyBytes: true,
  })
  sameAsUndici('on the time that a connection lies idle', {
    server: http((_request, response) => void response.end('ok')),
    call: async (way, server) => {
      await asked(way)
      await expect.poll(() => server.sockets.size).toBe(0)
      await asked(way)
      return server.connections.length
    },
    sees: 2,
    pool: { keepAliveTimeout: 50, keepAliveMaxTimeout: 50 },
  })
})

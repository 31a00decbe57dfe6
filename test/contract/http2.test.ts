/** HTTP/2 over TLS, as over a bare Agent. */
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { Readable } from 'node:stream'
import { Agent, fetch, FormData, type Dispatcher } from 'undici'
import { describe, expect, test } from 'vitest'
import { clientOf } from '../support/clients.ts'
import { ca, cert, key } from '../support/transports/tls.ts'
import { trace } from './support/trace.ts'
import { PATIENT } from './support/ways.ts'

type Answer = (request: Http2ServerRequest, response: Http2ServerResponse) => void
interface Over {
  readonly dispatcher: Dispatcher
  readonly origin: string
  /** Resolves when the server has a request. */
  readonly arrived: Promise<void>
}

/** What callers see over a bare Agent, and what they see over this library for a discovered host. */
async function both<Seen>(answer: Answer, call: (over: Over) => Promise<Seen>): Promise<Seen[]> {
  const requests: unknown[] = []
  let arrival = Promise.withResolvers<void>()
  const server = createSecureServer({ key, cert }, (request, response) => {
    // Those that are reset on purpose.
    request.on('error', () => undefined)
    response.stream.on('error', () => undefined)
    const { method, url } = request
    const type = request.headers['content-type']?.split(';')[0]
    requests.push([method, url, type, request.headers['content-length']])
    response.sendDate = false
    arrival.resolve()
    answer(request, response)
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
  const { port } = server.address() as AddressInfo
  const origin = `https://orders.shop.local:${port}`
  const connect = { ca }
  const lookup = (_host: string, _options: unknown, found: (error: null, all: object[]) => void): void =>
    found(null, [{ address: '127.0.1.1', family: 4 }])
  const bare = new Agent({ allowH2: true, connect: { ...connect, lookup: lookup as never } })
  const options = { retry: false, timeouts: PATIENT, pool: { allowH2: true, connect } } as const
  const { dispatcher } = clientOf(['127.0.1.1'], options)
  try {
    const seen: Seen[] = []
    for (const way of [bare, dispatcher]) {
      requests.length = 0
      arrival = Promise.withResolvers()
      const over = { dispatcher: way, origin, arrived: arrival.promise }
      const result = await call(over).catch((error: unknown) => error)
      const told =
        result instanceof Error
          ? [result.name, result.message, (result as NodeJS.ErrnoException).code]
          : result
      seen.push({ told, requests: [...requests] } as Seen)
    }
    return seen
  } finally {
    await Promise.all([bare.destroy(), dispatcher.destroy()])
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => server.close(resolve))
  }
}

const echo: Answer = (request, response) => {
  request.pipe(response)
}
const textOf = async (over: Over, options: object = {}): Promise<string> => {
  const { body } = await over.dispatcher.request({
    ...get(over.origin),
    ...options,
  })
  return body.text()
}
const get = (origin: string): Dispatcher.DispatchOptions => ({ origin, path: '/', method: 'GET' })

const scenarios: Record<string, [Answer, (over: Over) => Promise<unknown>, unknown]> = {
  'a request, and all callbacks of a handler': [
    echo,
    ({ dispatcher, origin }) => trace(dispatcher, { ...get(origin), method: 'PUT', body: 'body' }),
    expect.arrayContaining(['onRequestSent', 'onResponseData', expect.stringContaining('onResponseEnd')]),
  ],
  'trailers, hints and an answer': [
    (_request, response) => {
      response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      response.addTrailers({ 'x-sum': '1' })
      response.end('text')
    },
    ({ dispatcher, origin }) => trace(dispatcher, get(origin)),
    expect.arrayContaining([expect.stringContaining('x-sum')]),
  ],
  'fetch of a form': [
    echo,
    async ({ dispatcher, origin }) => {
      const body = new FormData()
      body.set('field', 'value')
      const response = await fetch(origin, { method: 'PUT', body, dispatcher })
      return [response.status, (await response.text()).includes('value')]
    },
    [200, true],
  ],
  'many requests at once over one connection': [
    (request, response) => setImmediate(() => request.pipe(response)),
    (over) => {
      const bodies = Array.from({ length: 50 }, (_, number) => Readable.from([`${number}`]))
      return Promise.all(bodies.map((body) => textOf(over, { method: 'PUT', body })))
    },
    Array.from({ length: 50 }, (_, number) => String(number)),
  ],
  'a stream that the server resets': [
    (_request, response) => response.stream.close(2),
    (over) => textOf(over),
    ['Error', expect.stringContaining('INTERNAL_ERROR'), 'ERR_HTTP2_STREAM_ERROR'],
  ],
  'a body that the server resets': [
    (_request, response) => {
      response.write('some')
      setTimeout(() => response.stream.close(2), 20)
    },
    (over) => textOf(over),
    ['Error', expect.stringContaining('INTERNAL_ERROR'), 'ERR_HTTP2_STREAM_ERROR'],
  ],
  'an abort': [
    () => undefined,
    async (over) => {
      const leaving = new AbortController()
      void over.arrived.then(() => leaving.abort(new RangeError('left')))
      return textOf(over, { signal: leaving.signal })
    },
    ['RangeError', 'left', undefined],
  ],
}

describe('over HTTP/2', () => {
  test.each(Object.entries(scenarios))('%s', async (_name, [answer, call, sees]) => {
    const [bare, ours] = await both(answer, call)
    expect(bare).toMatchObject({ told: sees })
    expect(ours).toEqual(bare)
  })
})

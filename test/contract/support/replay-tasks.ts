import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { ClientOptions } from 'onehop'
import { clientOf, originOver } from '../../support/clients.ts'
import { TRANSPORTS, type Transport } from '../../support/transports/transports.ts'
import { echo } from './echo.ts'
import { PATIENT } from './ways.ts'
import { WireServer } from './wire-server.ts'

/** What a task does to the request that it gets first. */
export const failures: Record<string, RequestListener> = {
  'a 503 when all of it was read': (request, response) => {
    request.resume()
    request.on('end', () => unavailable(request, response))
  },
  'a 503 when nothing was read': (request, response) => unavailable(request, response),
  'a 503 when a part was read': (request, response) => {
    request.once('data', () => {
      request.pause()
      unavailable(request, response)
    })
    request.once('end', () => unavailable(request, response))
  },
  'a reset when all of it was read': (request) => {
    request.resume()
    request.on('end', () => reset(request))
  },
  'a reset when nothing was read': (request) => reset(request),
  'a reset when a part was read': (request) => {
    request.once('data', () => reset(request))
    request.once('end', () => reset(request))
  },
}

function reset({ socket }: IncomingMessage): void {
  // Of HTTP/2's request, it is there as long as the stream is.
  if ('resetAndDestroy' in socket) socket.resetAndDestroy()
}

function unavailable(_request: IncomingMessage, response: ServerResponse): void {
  if (response.headersSent) return
  response.writeHead(503)
  response.end()
}

/** A client with two tasks: the first fails as it is told, the second answers with what it got. */
export interface Pair extends AsyncDisposable {
  readonly origin: string
  readonly client: ReturnType<typeof clientOf>
  readonly first: WireServer
  readonly second: WireServer
}

export async function pair(
  fail: RequestListener,
  options: ClientOptions = {},
  transport: Transport = TRANSPORTS.http,
): Promise<Pair> {
  const first = await WireServer.http(fail, transport)
  const second = await WireServer.http(echo, transport)
  const pool = transport.pool === undefined ? {} : { pool: transport.pool }
  const timeouts = { ...PATIENT, ...options.timeouts }
  const client = clientOf([first.label, second.label], { ...pool, ...options, timeouts })
  return {
    origin: originOver(transport),
    client,
    first,
    second,
    async [Symbol.asyncDispose]() {
      await client.dispatcher.destroy()
      await first.kill()
      await second.kill()
    },
  }
}

/** The bytes of requests, where forms are told by their fields and not by their boundary. */
export function framed(server: WireServer): string[] {
  const forms = server.take().map((text) => text.replaceAll(/-+(formdata-[a-z]+-\w+)/g, 'BOUNDARY'))
  // What a stream has made by the end of a handshake goes out as one chunk, or, when it has ended, with its length.
  return server.transport.name === 'https' ? forms.map(withoutFraming) : forms
}

/** @returns the text without its length or the sizes of its chunks, as far as it goes */
function withoutFraming(text: string): string {
  const [head = '', ...rest] = text.split('\r\n\r\n')
  const unframed = head.replace(/\r\n(content-length: \d+|transfer-encoding: chunked)$/m, '')
  let left = rest.join('\r\n\r\n')
  if (!head.includes('transfer-encoding: chunked')) return `${unframed}\r\n\r\n${left}`
  let body = ''
  for (;;) {
    const size = /^([0-9a-f]+)\r\n/.exec(left)
    const length = Number.parseInt(size?.[1] ?? '0', 16)
    if (size === null || length === 0) return `${unframed}\r\n\r\n${body}`
    body += left.slice(size[0].length, size[0].length + length)
    left = left.slice(size[0].length + length + 2)
  }
}

/**
 * Answers that send their callers away: `connection: close` over HTTP/1.1, and `x-onehop-draining`, which onehop's
 * clients know, over any protocol. Headers change at the last moment, when they are sent: handlers and frameworks write
 * `connection` themselves, by `setHeader`, by `writeHead`, or by an early flush.
 */
import type { ServerResponse } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'

const DRAINING_HEADER = 'x-onehop-draining'
const OVERRULED = new Set(['connection', 'keep-alive', DRAINING_HEADER])
const SWITCHING_PROTOCOLS = 101
const DRAINING: Pair = [DRAINING_HEADER, '1']

type Values = readonly unknown[]
type WriteHead = (this: ServerResponse, status: number, ...rest: Values) => ServerResponse

/**
 * HTTP/1.1. Does nothing once the headers are sent.
 * @param isLast whether no further request of its connection has come in: those would be lost (RFC 9112 section 9.3.2)
 */
export function markResponse(response: ServerResponse, isLast: () => boolean): void {
  if (response.headersSent) return
  const { writeHead } = response as unknown as { writeHead: WriteHead }
  // Node's own implicit headers come by it, too.
  response.writeHead = function withMarks(this: ServerResponse, status: number, ...rest: Values) {
    if (status === SWITCHING_PROTOCOLS || this.headersSent) return writeHead.call(this, status, ...rest)
    // As Node reads them: a reason or none, and headers in either place.
    const [reason, written] = typeof rest[0] === 'string' ? [[rest[0]], rest[1]] : [[], rest[1] ?? rest[0]]
    const last = isLast()
    if (last) this.shouldKeepAlive = false
    for (const name of OVERRULED) this.removeHeader(name)
    const headers = markedHeaders(written, last ? [['connection', 'close'], DRAINING] : [DRAINING])
    return writeHead.call(this, status, ...reason, headers)
  }
}

type Pair = readonly [name: string, value: unknown]

/** In the form in which they were written: wrappers of `writeHead` beneath this one may know no other. */
function markedHeaders(headers: unknown, added: readonly Pair[]): unknown {
  const kept = ([name]: Values): boolean => !OVERRULED.has(String(name).toLowerCase())
  if (!Array.isArray(headers))
    return Object.fromEntries([...Object.entries(Object(headers) as object).filter(kept), ...added])
  // An array of pairs is not documented, and works.
  if (Array.isArray(headers[0])) return [...(headers as Values[]).filter(kept), ...added]
  const pairs = Array.from(
    { length: headers.length / 2 },
    (_, at) => headers.slice(2 * at, 2 * at + 2) as Values,
  )
  return [...pairs.filter(kept), ...added].flat()
}

const RESPONDING = ['respond', 'respondWithFD', 'respondWithFile'] as const

/** HTTP/2 has no header that closes a connection: the session's own GOAWAY follows at the end of the window. */
export function markStream(stream: ServerHttp2Stream): void {
  if (stream.headersSent) return
  const own = stream as unknown as Record<(typeof RESPONDING)[number], (...args: Values) => void>
  for (const name of RESPONDING) {
    const respond = own[name]
    const headersAt = name === 'respond' ? 0 : 1
    own[name] = function withMark(this: ServerHttp2Stream, ...args) {
      const headers = args[headersAt]
      const marked = Array.isArray(headers)
        ? [...(headers as Values), DRAINING_HEADER, '1']
        : { ...(headers as object | undefined), [DRAINING_HEADER]: '1' }
      respond.call(this, ...args.slice(0, headersAt), marked, ...args.slice(headersAt + 1))
    }
  }
}

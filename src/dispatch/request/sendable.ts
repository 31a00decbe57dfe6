import { PassThrough, type Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { headerList, headerValue, withHeader } from './headers.ts'

/** A stream of Node before iterators, such as npm's `form-data`. */
interface OldStream {
  pipe: (target: PassThrough) => unknown
  on: (event: string, listener: (error: Error) => void) => unknown
}

/**
 * A copy of the request in a form that undici can send, more than once where possible: headers as a flat list, an old
 * stream as one with an iterator, `URLSearchParams` as a string. A copy, since callers may reuse their object at once.
 */
export function sendable(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
  const own = { ...options, headers: headerList(options.headers) } as Dispatcher.DispatchOptions
  const { body } = own as { body?: unknown }
  if (typeof body !== 'object' || body === null) return own
  if (body instanceof URLSearchParams) {
    own.body = body.toString()
    own.headers = withFormType(own.headers) as never
  } else if (isOldStream(body)) {
    own.body = piped(body)
  }
  return own
}

/** Only piping starts such streams; `Readable.wrap` would wait for ever. */
function piped(body: OldStream): Readable {
  const stream = new PassThrough()
  body.on('error', (error) => stream.destroy(error))
  body.pipe(stream)
  return stream
}

function isOldStream(body: object): body is OldStream {
  if (Symbol.asyncIterator in body) return false
  return typeof (body as OldStream).pipe === 'function' && typeof (body as OldStream).on === 'function'
}

const FORM_TYPE = 'application/x-www-form-urlencoded;charset=UTF-8'

function withFormType(headers: unknown): unknown {
  return headerValue(headers, 'content-type') === undefined
    ? withHeader(headers, 'content-type', FORM_TYPE)
    : headers
}

import { errors, util, type Dispatcher } from 'undici'
import { keepAlive, systemClock } from '../../core/clock.ts'
import { asError } from '../../core/errors.ts'
import { bytesOf, requestOf } from './request-of.ts'

const { STATUS_CODES } = process.getBuiltinModule('node:http')

/** What answers requests: a `fetch` that gets a `Request`. */
export type Answering = (request: globalThis.Request) => Promise<globalThis.Response>

/**
 * One request and its answer in memory, as undici's handlers see it: the handler's controller, and the one that calls the
 * handler. After an abort the handler hears nothing more, whatever the answer still does.
 *
 * Until it has the answer it keeps the process alive, as a socket would: a test whose answer never comes must not end before
 * its time limits, which do not keep a process alive.
 */
export class Exchange implements Dispatcher.DispatchController {
  paused = false
  aborted = false
  reason: Error | null = null
  rawHeaders: Buffer[] | null = null
  rawTrailers: Buffer[] | null = null
  readonly #handler: Dispatcher.DispatchHandler
  readonly #abort = new AbortController()
  #resumed = Promise.withResolvers<void>()
  #isOver = false
  readonly #waiting = keepAlive(systemClock)

  constructor(handler: Dispatcher.DispatchHandler) {
    this.#handler = handler
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
    this.#resumed.resolve()
    this.#resumed = Promise.withResolvers()
  }

  abort(reason: Error): void {
    if (this.#isOver) return
    this.aborted = true
    this.reason = reason
    this.#abort.abort(reason)
    this.#fail(reason)
  }

  /** Never rejects: the handler gets each error. */
  async run(options: Dispatcher.DispatchOptions, answer: Answering): Promise<void> {
    try {
      const { request, body } = await requestOf(options, this.#abort.signal)
      if (this.#isOver) return
      if (body !== undefined) this.#handler.onBodySent?.(body)
      this.#handler.onRequestSent?.()
      const response = checkResponse(await answer(request), request)
      await this.#pass(response, request.method)
    } catch (error) {
      this.#fail(asError(error))
    }
  }

  async #pass(response: globalThis.Response, method: string): Promise<void> {
    const body = streamOf(response.body)
    const isUnread = this.#isOver || method === 'HEAD'
    if (isUnread) await body?.cancel(this.reason)
    if (this.#isOver) return
    this.rawHeaders = rawHeadersOf(response)
    this.#waiting.cancel()
    const { status, statusText } = response
    const text = statusText === '' ? (STATUS_CODES[status] ?? '') : statusText
    this.#handler.onResponseStart?.(this, status, util.parseHeaders(this.rawHeaders), text)
    if (body !== null && !isUnread) await this.#passBody(body)
    if (this.#isOver) return
    this.#end()
    this.#handler.onResponseEnd?.(this, {})
  }

  async #passBody(body: globalThis.ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.getReader()
    const cancel = (): void => void reader.cancel(this.reason).catch(() => undefined)
    this.#abort.signal.addEventListener('abort', cancel, { once: true })
    while (!this.#isOver) {
      if (this.paused) await this.#resumed.promise
      const { done, value } = await reader.read()
      if (done) return
      if (!this.#isOver) this.#handler.onResponseData?.(this, bytesOf(value))
    }
    // It may have been over before anything listened.
    cancel()
  }

  #end(): void {
    this.#isOver = true
    this.#waiting.cancel()
  }

  #fail(error: Error): void {
    if (this.#isOver) return
    this.#end()
    this.#handler.onResponseError?.(this, error)
  }
}

/** The Response of another library, such as node-fetch, has a stream of Node. */
function streamOf(body: globalThis.Response['body']): globalThis.ReadableStream<Uint8Array> | null {
  return body === null || typeof body.getReader === 'function' ? body : ReadableStream.from<Uint8Array>(body)
}

/** @throws what a caller would get instead of a response */
function checkResponse(given: unknown, { method, url }: globalThis.Request): globalThis.Response {
  const response = given as globalThis.Response | null | undefined
  const answer = `the answer to ${method} ${url}`
  const needed = `${answer} must be a Response, e.g. Response.json({ id: 42 })`
  // Of whatever class: msw's, node-fetch's, undici's.
  if (typeof response !== 'object' || response === null || typeof response.status !== 'number')
    throw new TypeError(`${needed}; got ${kindOf(given)}`)
  if (typeof (response.headers as Partial<Headers> | undefined)?.[Symbol.iterator] !== 'function')
    throw new TypeError(`${needed}; got an object whose headers are not Headers`)
  if (response.type === 'error') throw new errors.SocketError(`${answer} was Response.error()`)
  if (response.bodyUsed)
    throw new TypeError(`${answer} is a Response whose body was read before; make a new one for each request`)
  return response
}

function kindOf(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object without a status' : typeof value
}

/** A `fetch` has decoded the body, and still names its encoding. Only a Response that was fetched has a URL. */
const OF_THE_WIRE = new Set(['content-encoding', 'content-length', 'transfer-encoding'])

function rawHeadersOf({ headers, url }: globalThis.Response): Buffer[] {
  const isFetched = (url ?? '') !== ''
  return [...headers]
    .filter(([name]) => !(isFetched && OF_THE_WIRE.has(name)))
    .flatMap(([name, value]) => [Buffer.from(name, 'latin1'), Buffer.from(value, 'latin1')])
}

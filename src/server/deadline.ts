import { checkHeaderName } from '../core/check/check.ts'
import { systemClock, type Clock } from '../core/clock.ts'

/** A request as a server has it: Node's own, or a WHATWG one. */
export interface DeadlinedRequest {
  /** Node's object of headers, or WHATWG `Headers`. */
  readonly headers: { get(name: string): string | null } | Readonly<Record<string, unknown>>
  /** Of Node's requests: a caller that leaves closes it. */
  readonly socket?: Connection<'close'> & { readonly destroyed?: boolean }
  /** Of Node's HTTP/2 requests: many share a socket, and a caller that leaves aborts its stream. */
  readonly stream?: Connection<'aborted'> & { readonly aborted?: boolean }
}

interface Connection<Event extends string> {
  once(event: Event, listener: () => void): unknown
  removeListener(event: Event, listener: () => void): unknown
}

/** The caller's deadline. */
export interface Deadline extends Disposable {
  /** Whole ms, 0 when it is over: what calls made for this request may take, as their `deadlineMs`. */
  leftMs(): number
  /**
   * Aborts at the deadline (`TimeoutError`), and when the caller leaves before (`AbortError`; where the request exposes its
   * socket or stream). One that is first read later has aborted already. A timer that does not keep the process alive; gone
   * when it fires, and by `using` or `[Symbol.dispose]()`.
   */
  readonly signal: AbortSignal
}

/**
 * On the server's side of `deadlineHeader`: how long the caller still waits.
 *
 *     createServer(async (request, response) => {
 *       using deadline = deadlineOf(request, 'x-deadline-ms')
 *       const rows = await query(sql, { signal: deadline?.signal })
 *
 * Time is counted from this call on: the caller's and this machine's clock need not agree. The way that the request
 * took is not counted.
 * @returns undefined for a request that has no such header, or whose value is not a whole number of ms
 * @throws InvalidOptionsError for a name that no header can have
 */
export function deadlineOf(
  request: DeadlinedRequest,
  header: string,
  clock: Clock = systemClock,
): Deadline | undefined {
  const name = checkHeaderName('header', header, 'the name of a header, e.g. "x-deadline-ms"')
  const text = valueOf(request.headers, name)
  // Up to a day, as the other side has it.
  if (typeof text !== 'string' || !/^\s*\d{1,8}\s*$/.test(text)) return undefined
  return new RunningDeadline(clock.now() + Number(text), request, clock)
}

class RunningDeadline implements Deadline {
  readonly #endsAt: number
  readonly #request: DeadlinedRequest
  readonly #clock: Clock
  readonly #free: (() => void)[] = []
  #abort: AbortController | undefined
  #isDisposed = false

  constructor(endsAt: number, request: DeadlinedRequest, clock: Clock) {
    this.#endsAt = endsAt
    this.#request = request
    this.#clock = clock
  }

  leftMs(): number {
    return Math.max(0, Math.floor(this.#endsAt - this.#clock.now()))
  }

  get signal(): AbortSignal {
    this.#abort ??= this.#watch(new AbortController())
    return this.#abort.signal
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true
    for (const free of this.#free.splice(0)) free()
  }

  #watch(abort: AbortController): AbortController {
    const { socket, stream } = this.#request
    const end = (message: string, name: string): void => {
      this[Symbol.dispose]()
      abort.abort(new DOMException(message, name))
    }
    const onLeft = (): void => end('the caller has left', 'AbortError')
    const onOver = (): void => end('the deadline of the request is over', 'TimeoutError')
    // An event that was before is not sent again.
    if (stream?.aborted === true || socket?.destroyed === true) onLeft()
    else if (this.leftMs() === 0) onOver()
    if (this.#isDisposed) return abort
    const timer = this.#clock.setTimer(onOver, this.leftMs())
    this.#free.push(() => timer.cancel())
    if (stream !== undefined) {
      stream.once('aborted', onLeft)
      this.#free.push(() => stream.removeListener('aborted', onLeft))
    } else if (socket !== undefined) {
      socket.once('close', onLeft)
      this.#free.push(() => socket.removeListener('close', onLeft))
    }
    return abort
  }
}

function valueOf(headers: DeadlinedRequest['headers'], name: string): unknown {
  const { get } = headers as { get?: unknown }
  return typeof get === 'function' ? get.call(headers, name) : (headers as Record<string, unknown>)[name]
}

import { systemClock, type Clock } from './clock.ts'

/** A request as a server has it: Node's own, or a WHATWG one. */
export interface DeadlinedRequest {
  readonly headers: { get(name: string): string | null } | Readonly<Record<string, unknown>>
  /** Node's: a caller who leaves closes it. */
  readonly socket?: {
    once(event: 'close', listener: () => void): unknown
    removeListener(event: 'close', listener: () => void): unknown
  }
}

/** Until when somebody waits for an answer. */
export interface Deadline extends Disposable {
  /** Whole ms, 0 when it is over: what calls made for this request may take, as their `deadlineMs`. */
  leftMs(): number
  /**
   * Aborts at the deadline (`TimeoutError`), and when the caller leaves before (`AbortError`; where the request tells its
   * socket). A timer that does not keep the process alive; gone when it fires, and by `using` or `[Symbol.dispose]()`.
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
 * @returns undefined for a request that has no such header, or one that is no whole number of ms
 */
export function deadlineOf(
  request: DeadlinedRequest,
  header: string,
  clock: Clock = systemClock,
): Deadline | undefined {
  const text = valueOf(request.headers, header.toLowerCase())
  // Up to a day, as the other side has it.
  if (typeof text !== 'string' || !/^\s*\d{1,8}\s*$/.test(text)) return undefined
  return new RunningDeadline(clock.now() + Number(text), request.socket, clock)
}

class RunningDeadline implements Deadline {
  readonly #endsAt: number
  readonly #socket: DeadlinedRequest['socket']
  readonly #clock: Clock
  readonly #free: (() => void)[] = []
  #abort: AbortController | undefined

  constructor(endsAt: number, socket: DeadlinedRequest['socket'], clock: Clock) {
    this.#endsAt = endsAt
    this.#socket = socket
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
    for (const free of this.#free.splice(0)) free()
  }

  #watch(abort: AbortController): AbortController {
    const end = (message: string, name: string): void => {
      this[Symbol.dispose]()
      abort.abort(new DOMException(message, name))
    }
    const timer = this.#clock.setTimer(
      () => end('the deadline of the request is over', 'TimeoutError'),
      this.leftMs(),
    )
    const onClose = (): void => end('the caller has left', 'AbortError')
    const socket = this.#socket
    socket?.once('close', onClose)
    this.#free.push(
      () => timer.cancel(),
      () => socket?.removeListener('close', onClose),
    )
    return abort
  }
}

function valueOf(headers: DeadlinedRequest['headers'], name: string): unknown {
  const { get } = headers as { get?: unknown }
  return typeof get === 'function' ? get.call(headers, name) : (headers as Record<string, unknown>)[name]
}

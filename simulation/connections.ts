import { Dispatcher, errors } from 'undici'
import type { Upstream } from '../src/cluster/upstream.ts'
import type { UpstreamDispatchers } from '../src/dispatch/route.ts'
import { isMute, type Server } from './task.ts'
import type { VirtualTime } from './virtual-time.ts'

/** The default of `timeouts.connectMs`. */
const CONNECT_MS = 1_000
const NO_HEADERS = {}

export interface Distance {
  /** Round trip. */
  readonly roundTripMs: number
  /** Called for each attempt. */
  readonly onSent: () => void
}

/** Stands in for one client's undici pools: a line to each task, with the time that packets take. */
export class Connections implements UpstreamDispatchers {
  readonly #byAddress = new Map<string, Line>()

  constructor(
    servers: ReadonlyMap<string, Server>,
    distanceTo: (server: Server) => Distance,
    time: VirtualTime,
  ) {
    for (const [address, server] of servers)
      this.#byAddress.set(address, new Line(server, distanceTo(server), time))
  }

  get(upstream: Upstream): Dispatcher {
    const line = this.#byAddress.get(upstream.endpoint.address)
    if (line === undefined) throw new Error(`unknown upstream: ${upstream.label}`)
    return line
  }

  fresh(upstream: Upstream): Dispatcher {
    return this.get(upstream)
  }

  readonly shortage = ''
  readonly mayBeHttp2 = false

  slotsOf(): undefined {
    return undefined
  }

  fellSilent(): void {}

  connectLimitMs(): number {
    return 300
  }

  bodyMayThrow(): boolean {
    return true
  }

  speaksHttp2(): boolean {
    return false
  }

  hasConnectedSince(): boolean {
    return false
  }
}

/** Connections to one server, without a limit. As in a pool, an idle connection is used before a new one. */
class Line extends Dispatcher {
  readonly #server: Server
  readonly #halfWayMs: number
  readonly #onSent: () => void
  readonly #time: VirtualTime
  #idle = 0

  constructor(server: Server, { roundTripMs, onSent }: Distance, time: VirtualTime) {
    super()
    this.#server = server
    this.#halfWayMs = roundTripMs / 2
    this.#onSent = onSent
    this.#time = time
  }

  override dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const server = this.#server
    server.received++
    this.#onSent()
    const { connections } = server.fault
    if (connections === 'refused') {
      const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      this.#idle = 0
      this.#time.setTimer(() => handler.onResponseError?.(undefined as never, refused), 2 * this.#halfWayMs)
    } else if (connections === 'silent' && this.#idle === 0) {
      const silent = new errors.ConnectTimeoutError(`no connection in ${CONNECT_MS} ms`)
      this.#time.setTimer(() => handler.onResponseError?.(undefined as never, silent), CONNECT_MS)
    } else {
      this.#idle = Math.max(0, this.#idle - 1)
      new Exchange(handler, this).begin()
    }
    return true
  }

  /** To the server, through it, and back, unless the server is silent. */
  exchange(onAnswer: (status: number) => void): void {
    const server = this.#server
    const answer = (status: number): void => {
      if (isMute(server.fault)) return
      this.#time.setTimer(() => onAnswer(status), this.#halfWayMs)
    }
    this.#time.setTimer(() => {
      if (!isMute(server.fault)) server.serve(answer)
    }, this.#halfWayMs)
  }

  /** A connection whose response was read is used again; an aborted one is closed. */
  release(): void {
    this.#idle++
  }
}

/** One request and its response, with the controller that undici would pass to its handler. */
class Exchange implements Dispatcher.DispatchController {
  aborted = false
  paused = false
  reason: Error | null = null
  readonly rawHeaders = []
  readonly rawTrailers = []
  readonly #handler: Dispatcher.DispatchHandler
  readonly #line: Line

  constructor(handler: Dispatcher.DispatchHandler, line: Line) {
    this.#handler = handler
    this.#line = line
  }

  begin(): void {
    this.#handler.onRequestStart?.(this, null)
    this.#line.exchange((status) => this.#answer(status))
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    this.paused = false
  }

  abort(reason: Error): void {
    this.aborted = true
    this.reason = reason
  }

  #answer(status: number): void {
    if (this.aborted) return
    this.#line.release()
    this.#handler.onResponseStart?.(this, status, NO_HEADERS, '')
    this.#handler.onResponseEnd?.(this, NO_HEADERS)
  }
}

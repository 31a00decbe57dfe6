import { Dispatcher, errors } from 'undici'
import type { Upstream } from '../../src/cluster/upstream.ts'
import type { UpstreamDispatchers } from '../../src/dispatch/route.ts'
import type { Server } from './task.ts'
import type { VirtualTime } from './virtual-time.ts'

/** As `timeouts.connectMs` has it by default. */
const CONNECT_MS = 1_000
const NO_HEADERS = {}

export interface Distance {
  /** There and back. */
  readonly roundTripMs: number
  /** Told of each attempt. */
  readonly onSent: () => void
}

/** What one client has where its undici pools would be: a line to each task, with the time that packets take. */
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
    if (line === undefined) throw new Error(`there is no ${upstream.label}`)
    return line
  }

  fresh(upstream: Upstream): Dispatcher {
    return this.get(upstream)
  }

  speaksHttp2(): boolean {
    return false
  }
}

class Line extends Dispatcher {
  readonly #server: Server
  readonly #halfWayMs: number
  readonly #onSent: () => void
  readonly #time: VirtualTime

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
    if (server.fault.connections === 'refused') {
      const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
      this.#time.setTimer(() => handler.onResponseError?.(undefined as never, refused), 2 * this.#halfWayMs)
    } else if (server.fault.connections === 'silent') {
      const silent = new errors.ConnectTimeoutError(`no connection in ${CONNECT_MS} ms`)
      this.#time.setTimer(() => handler.onResponseError?.(undefined as never, silent), CONNECT_MS)
    } else {
      new Exchange(handler, server, this.#halfWayMs, this.#time).begin()
    }
    return true
  }
}

/** One request and its response; the controller that undici would give to its handler. */
class Exchange implements Dispatcher.DispatchController {
  aborted = false
  paused = false
  reason: Error | null = null
  readonly rawHeaders = []
  readonly rawTrailers = []
  readonly #handler: Dispatcher.DispatchHandler
  readonly #server: Server
  readonly #halfWayMs: number
  readonly #time: VirtualTime

  constructor(handler: Dispatcher.DispatchHandler, server: Server, halfWayMs: number, time: VirtualTime) {
    this.#handler = handler
    this.#server = server
    this.#halfWayMs = halfWayMs
    this.#time = time
  }

  begin(): void {
    this.#handler.onRequestStart?.(this, null)
    this.#time.setTimer(() => this.#arrive(), this.#halfWayMs)
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

  #arrive(): void {
    this.#server.serve((status) => this.#time.setTimer(() => this.#answer(status), this.#halfWayMs))
  }

  #answer(status: number): void {
    if (this.aborted) return
    this.#handler.onResponseStart?.(this, status, NO_HEADERS, '')
    this.#handler.onResponseEnd?.(this, NO_HEADERS)
  }
}

import type { ClientRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { abortedConnect, afterMs, connectTimeout } from '../core/async/connect-limit.ts'
import type { Lease } from '../index.ts'
import { poolOf, type AgentRequestOptions, type AgentState, type SocketCallback } from './node-agent.ts'
import { freePlace, hasConnected, takePlace } from './places.ts'
import { emptyQueue } from './queue.ts'
import { isToTls, secureSocket } from './secure-socket.ts'

/**
 * Called for each request in the queue of an upstream that cannot be reached.
 * @param failure why; undefined: the request may get a connection there
 * @returns whether it has left the queue
 */
type LeaveTask = (waiting: ClientRequest, failure: Error | undefined) => boolean

/**
 * A connection in progress to the upstream of a lease. The socket is handed over once it is connected: until then another
 * upstream may take its place.
 *
 * Node's own `createConnection` would take a proxy of the environment (Node 24 and later). The socket has its place among
 * the agent's from the beginning, so that `maxSockets` holds and `agent.destroy()` reaches it.
 */
export class Connecting {
  readonly #agent: AgentState
  /** Node's copy for this connection. */
  readonly #options: AgentRequestOptions
  readonly #lease: Lease
  readonly #callback: SocketCallback
  readonly #leaveTask: LeaveTask
  readonly #socket: Socket
  readonly #readyEvent: 'connect' | 'secureConnect'
  /** `elapsedMs` of the lease. */
  readonly #begunAtMs: number
  /** Cancel the limits. */
  readonly #cancels: readonly (() => void)[]
  #isOver = false

  /**
   * Begins it.
   * @throws what Node does for options that cannot be used
   */
  constructor(
    agent: AgentState,
    options: AgentRequestOptions,
    lease: Lease,
    callback: SocketCallback,
    leaveTask: LeaveTask,
  ) {
    this.#agent = agent
    this.#options = options
    this.#lease = lease
    this.#callback = callback
    this.#leaveTask = leaveTask
    this.#begunAtMs = lease.elapsedMs()
    const isSecure = isToTls(lease)
    this.#readyEvent = isSecure ? 'secureConnect' : 'connect'
    this.#socket = isSecure
      ? secureSocket(agent, options, lease.servername)
      : connect(options as { port: number })
    takePlace(agent, options, this.#socket)
    const { connectMs, tcpConnectMs } = lease
    this.#cancels = [
      afterMs(connectMs, () => this.#exceeded(connectMs)),
      afterMs(tcpConnectMs, () => {
        if (this.#socket.connecting) this.#exceeded(tcpConnectMs)
      }),
    ]
    this.#socket.on(this.#readyEvent, this.#connected).on('error', this.#failed).on('close', this.#closed)
  }

  /**
   * Ends it without a call of the callback.
   * @returns an error if it had taken so long that the upstream is to blame
   */
  cancel(): Error | undefined {
    const { connectMs, tcpConnectMs } = this.#lease
    const tookMs = this.#lease.elapsedMs() - this.#begunAtMs
    const { address, port } = this.#target
    const overdue = abortedConnect(address, port, tookMs, this.#socket.connecting ? tcpConnectMs : connectMs)
    if (this.#drop()) {
      // The others may be more patient.
      if (overdue !== undefined) this.#emptyQueue(undefined)
      this.#passPlaceOn()
    }
    return overdue
  }

  readonly #connected = (): void => {
    if (!this.#end()) return
    // In Node 22 the request listens to errors from the next tick on.
    process.nextTick(() => this.#socket.off('error', this.#failed))
    this.#callback(null, this.#socket)
  }

  readonly #failed = (error: Error): void => {
    if (!this.#drop()) return
    this.#callback(error)
    if (isUnreachable(error)) this.#emptyQueue(hasConnected(this.#agent, this.#options) ? undefined : error)
    this.#passPlaceOn()
  }

  /** `agent.destroy()`, or the peer during the TLS handshake, where Node emits an error before. */
  readonly #closed = (): void => this.#failed(hangUp())

  #exceeded(limitMs: number): void {
    const { address, port } = this.#target
    this.#failed(connectTimeout(address, port, limitMs))
  }

  /** Where it connects, as Node takes it. */
  get #target(): { address: string; port: number } {
    const { host, port } = this.#options
    return { address: String(host), port: Number(port) }
  }

  /**
   * It is connected, has failed or is cancelled.
   * @returns false: it was over already
   */
  #end(): boolean {
    if (this.#isOver) return false
    this.#isOver = true
    this.#socket.off(this.#readyEvent, this.#connected).off('close', this.#closed)
    for (const cancel of this.#cancels) cancel()
    freePlace(this.#agent, this.#options, this.#socket)
    return true
  }

  /**
   * Ends it without a socket. What listens to its errors stays, so that a later one is not uncaught.
   * @returns false: it was over already
   */
  #drop(): boolean {
    if (!this.#end()) return false
    this.#socket.destroy()
    return true
  }

  /** @param failure as for `LeaveTask` */
  #emptyQueue(failure: Error | undefined): void {
    emptyQueue(this.#agent, poolOf(this.#options), (waiting) => this.#leaveTask(waiting, failure))
  }

  /** Requests may wait for the place. */
  #passPlaceOn(): void {
    this.#agent.removeSocket(this.#socket, this.#options)
  }
}

/** Whether the network said so, or a limit. A certificate may be verified by a rule of a single request. */
function isUnreachable(error: NodeJS.ErrnoException): boolean {
  return error.syscall !== undefined
}

/** Whether this process ended the connection. */
export function isHangUp(error: Error): boolean {
  return hangUps.has(error)
}

const hangUps = new WeakSet<Error>()

/** As Node's own for a request without a connection. */
function hangUp(): Error {
  const error = Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
  hangUps.add(error)
  return error
}

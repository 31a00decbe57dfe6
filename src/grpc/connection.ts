import type { Endpoint, Lease } from '../index.ts'
import { STATE, type State, type StateListener, type Subchannel } from './grpc-js.ts'

/** What a connection needs of the balancer that it belongs to. */
export interface ConnectionOwner {
  /** A lease of that endpoint alone; undefined where the cluster has no use for it now. */
  leaseOf(connection: Connection): Lease | undefined
  /** Its state, or what is known of it, has changed. */
  changed(): void
}

/**
 * The connection to one task. Connecting is an attempt on the task: it holds a lease, so that a task that refuses is ejected,
 * and an ejected one is tried again when its probe is due.
 */
export class Connection {
  readonly endpoint: Endpoint
  readonly port: number
  readonly label: string
  readonly subchannel: Subchannel
  /** Why the last try to connect failed; undefined: it did not. */
  error: Error | undefined = undefined
  readonly #owner: ConnectionOwner
  #state: State
  /** Of the try to connect. */
  #lease: Lease | undefined = undefined
  /** It takes longer than `connectMs`, and counts as failed. grpc-js goes on for minutes. */
  #isOverdue = false
  readonly #changed: StateListener = (_subchannel, _previous, state, _keepaliveMs, error) =>
    this.#enter(state, error)

  constructor(
    owner: ConnectionOwner,
    endpoint: Endpoint,
    port: number,
    label: string,
    subchannel: Subchannel,
  ) {
    this.endpoint = endpoint
    this.port = port
    this.label = label
    this.subchannel = subchannel
    this.#owner = owner
    subchannel.ref()
    subchannel.addConnectivityStateListener(this.#changed)
    // Another channel may have connected it already.
    this.#state = subchannel.getConnectivityState()
  }

  get isReady(): boolean {
    return this.#state === STATE.READY
  }

  /** Whether a call may wait for it. */
  get isConnecting(): boolean {
    return this.#lease !== undefined
  }

  get hasFailed(): boolean {
    return this.#isOverdue || this.#state === STATE.TRANSIENT_FAILURE
  }

  /**
   * Begins to connect, if grpc-js may do so now: after a failure it waits for its backoff. Another channel that shares the
   * connection may have begun.
   * @returns whether it is connecting
   */
  connect(): boolean {
    const mayConnect = this.#state === STATE.IDLE || this.#state === STATE.CONNECTING
    if (!mayConnect || this.#isOverdue || this.#lease !== undefined) return this.isConnecting
    const lease = this.#owner.leaseOf(this)
    if (lease === undefined) return false
    this.#lease = lease
    const overdue = (): void => void setImmediate(() => this.#overdue(lease))
    AbortSignal.timeout(Math.ceil(lease.connectMs)).addEventListener('abort', overdue)
    this.subchannel.startConnecting()
    return true
  }

  /** Calls on it go on. */
  close(): void {
    this.subchannel.removeConnectivityStateListener(this.#changed)
    this.#lease?.end()
    this.#lease = undefined
    this.subchannel.unref()
  }

  #enter(state: State, message: string | undefined): void {
    const wasReady = this.isReady
    const lease = this.#lease
    this.#state = state
    this.#isOverdue = false
    if (state === STATE.TRANSIENT_FAILURE) {
      this.error = new Error(message ?? 'the connection failed')
      lease?.report({ kind: 'connect-error', error: this.error })
    } else if (state === STATE.READY) this.error = undefined
    if (state === STATE.READY || state === STATE.TRANSIENT_FAILURE) {
      // A connection is no answer: the next call is the probe of a task that was ejected.
      this.#lease = undefined
      lease?.end()
    }
    // As round_robin does: a task that is gone is noticed before a call goes there.
    if (wasReady && state === STATE.IDLE) this.connect()
    this.#owner.changed()
  }

  #overdue(lease: Lease): void {
    if (this.#lease !== lease) return
    this.#lease = undefined
    this.#isOverdue = true
    const latencyMs = lease.elapsedMs()
    this.error = new Error(`no connection in ${lease.connectMs} ms (timeouts.connectMs)`)
    lease.report({ kind: 'timeout', phase: 'connect', latencyMs, error: this.error })
    lease.end()
    this.#owner.changed()
  }
}

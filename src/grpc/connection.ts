import { afterMs } from '../core/async/connect-limit.ts'
import type { Endpoint, Lease } from '../index.ts'
import { STATE, type State, type StateListener, type Subchannel } from './grpc-js.ts'
import { whenTcpSilent } from './tcp-silence.ts'

/** What a connection needs of the balancer that it belongs to. */
export interface ConnectionOwner {
  /** A lease of that task alone; undefined where the cluster has no use for it now. */
  leaseOf(connection: Connection): Lease | undefined
  /** Its state, or what is known of it, has changed. */
  changed(): void
}

/** For the load balancer, as `timeouts.connectMs` by default. */
const FALLBACK_CONNECT_MS = 1_000

/**
 * The connection to one task, or to the load balancer. Connecting is an attempt on the task: it holds a lease, so that a task
 * that refuses is ejected, and an ejected one is tried again when its probe is due. Not so for the load balancer: a lease of
 * it is a call that fell back.
 */
export class Connection {
  readonly endpoint: Endpoint
  readonly port: number
  readonly subchannel: Subchannel
  /** Why the last try to connect failed; undefined: it did not. */
  error: Error | undefined = undefined
  readonly #owner: ConnectionOwner
  #state: State
  /** The try to connect; undefined: none is under way. */
  #try: ConnectTry | undefined = undefined
  /** It takes longer than its limits, and counts as failed. grpc-js goes on for minutes. */
  #isOverdue = false
  readonly #changed: StateListener = (_subchannel, _previous, state, _keepaliveMs, error) =>
    this.#enter(state, error)

  constructor(owner: ConnectionOwner, endpoint: Endpoint, port: number, subchannel: Subchannel) {
    this.endpoint = endpoint
    this.port = port
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
    return this.#try !== undefined
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
    if (!mayConnect || this.#isOverdue || this.isConnecting) return this.isConnecting
    const isTask = this.endpoint.tier === 0
    const lease = isTask ? this.#owner.leaseOf(this) : undefined
    if (isTask && lease === undefined) return false
    this.#try = { lease, cancels: this.#limitsBy(lease) }
    this.subchannel.startConnecting()
    return true
  }

  /** Calls on it go on. */
  close(): void {
    this.subchannel.removeConnectivityStateListener(this.#changed)
    this.#endTry()
    this.subchannel.unref()
  }

  /** @returns cancel them */
  #limitsBy(lease: Lease | undefined): ConnectTry['cancels'] {
    if (lease === undefined)
      return [afterMs(FALLBACK_CONNECT_MS, () => this.#overdue(FALLBACK_CONNECT_MS, 'no connection', ''))]
    const { connectMs, tcpConnectMs } = lease
    const { address } = this.endpoint
    const all = afterMs(connectMs, () => this.#overdue(connectMs, 'no connection', ' (timeouts.connectMs)'))
    if (tcpConnectMs >= connectMs) return [all]
    const tcp = whenTcpSilent(address, this.port, tcpConnectMs, () =>
      this.#overdue(tcpConnectMs, 'no TCP connection', ' (timeouts.tcpConnectMs)'),
    )
    return [all, tcp]
  }

  #enter(state: State, message: string | undefined): void {
    const wasReady = this.isReady
    const lease = this.#try?.lease
    this.#state = state
    this.#isOverdue = false
    if (state === STATE.TRANSIENT_FAILURE) {
      this.error = connectError(message)
      lease?.report({ kind: 'connect-error', error: this.error })
    } else if (state === STATE.READY) this.error = undefined
    if (state === STATE.READY || state === STATE.TRANSIENT_FAILURE) {
      // A connection proves nothing about answers: the next call is the probe of a task that was ejected.
      this.#endTry()
    }
    // As round_robin does: a task that is gone is noticed before a call goes there.
    if (wasReady && state === STATE.IDLE) this.connect()
    this.#owner.changed()
  }

  #overdue(limitMs: number, what: string, option: string): void {
    this.#isOverdue = true
    this.error = new Error(`${what} in ${limitMs} ms${option}`)
    const outcome = { kind: 'timeout', phase: 'connect', latencyMs: limitMs, error: this.error } as const
    this.#try?.lease?.report(outcome)
    this.#endTry()
    this.#owner.changed()
  }

  #endTry(): void {
    const over = this.#try
    this.#try = undefined
    for (const cancel of over?.cancels ?? []) cancel()
    over?.lease?.end()
  }
}

interface ConnectTry {
  /** undefined for the load balancer. */
  readonly lease: Lease | undefined
  /** Stop its time limits. */
  readonly cancels: readonly (() => void)[]
}

/**
 * The error of a connection, from what grpc-js says: `Error: connect ECONNREFUSED 10.0.11.42:50051 (2026-11-27T20:15:00.000Z)`.
 * With its code, by which the cluster knows failures of this process (EMFILE).
 */
export function connectError(message = 'the connection failed'): Error {
  const text = message.replace(/^Error: /, '').replace(/ \(\d{4}-[^)]*\)$/, '')
  const [, syscall, code] = /\b([a-z]+) (E[A-Z0-9]{2,})\b/.exec(text) ?? []
  return Object.assign(new Error(text), code === undefined ? {} : { code, syscall })
}

import { Pool, type Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import { ClosedError } from '../../core/errors.ts'
import { throwLater } from '../../core/async/throw-later.ts'
import { connectorTo, limitsTo, limitsWith, type Connecting, type ConnectLimits } from './connector.ts'
import type { UpstreamDispatchers } from '../route.ts'
import { pipeliningClient } from './pipelining.ts'
import { mayBeHttp2, shortageOf, slotsFor } from './pool-options.ts'
import type { Slots } from './slots.ts'

/** How long the calls to a deregistered task may take before they are cut. */
const MAX_DRAIN_MS = 30_000

/** The pools of one origin. The limits are those of tasks; see `limitsTo`. */
export interface PoolsOptions extends ConnectLimits {
  /** Scheme, host and port, as callers wrote them. */
  readonly origin: string
  /** undici's own options, for each task. */
  readonly pool: Pool.Options
  /** For the load balancer [`pool`]. */
  readonly fallbackPool?: Pool.Options
  readonly clock: Clock
}

/**
 * One undici `Pool` for each upstream of an origin.
 *
 * A pool has the caller's origin, and only its connector knows the address. So `Host`, `:authority` and the TLS server name
 * are the caller's without a change to a header, and certificates are verified against the name (docs/decisions/001).
 */
export class Pools implements UpstreamDispatchers {
  readonly mayBeHttp2: boolean
  readonly #options: PoolsOptions
  readonly #pools = new Map<Upstream, Pool>()
  /** For callers that cannot speak HTTP/2 (`fetch` of Node 22 and 24). */
  readonly #http1Pools = new Map<Upstream, Pool>()
  readonly #draining = new Map<Pool, Timer | undefined>()
  readonly #speakHttp2 = new WeakSet<Upstream>()
  readonly #openedAt = new WeakMap<Pool, number>()
  /** When the last connection was made, on the clock. */
  readonly #connectedAt = new WeakMap<Upstream, number>()
  readonly #slots = new WeakMap<Dispatcher, Slots>()
  /** Connections in progress. */
  readonly #connecting = new Set<Connecting>()
  #closed = false

  constructor(options: PoolsOptions) {
    this.#options = options
    this.mayBeHttp2 = mayBeHttp2(options.pool)
  }

  /** @throws ClosedError after `close` or `destroy` */
  get(upstream: Upstream, http1Only: boolean): Pool {
    if (this.#closed) throw new ClosedError('the client')
    const pools = this.#poolsFor(http1Only)
    const known = pools.get(upstream)
    if (known !== undefined) return known
    const pool = this.#open(upstream, http1Only)
    pools.set(upstream, pool)
    return pool
  }

  fresh(upstream: Upstream, http1Only: boolean, since: number): Pool {
    const pool = this.get(upstream, http1Only)
    if ((this.#openedAt.get(pool) ?? Number.NEGATIVE_INFINITY) < since)
      this.#leave(pool, upstream, this.#poolsFor(http1Only))
    return this.get(upstream, http1Only)
  }

  /** The next calls get other connections; the calls in flight keep theirs. */
  #leave(pool: Pool, upstream: Upstream, pools: Map<Upstream, Pool>): void {
    const isCapped = (this.#options.pool.connections ?? null) !== null
    // Others use its connections, and the cap allows no more.
    if (isCapped && this.#slots.get(pool)?.isIdle === false) return
    pools.delete(upstream)
    if (isCapped) this.#cut(pool)
    else this.#closeWithin(Number.POSITIVE_INFINITY, pool)
  }

  slotsOf(pool: Dispatcher): Slots | undefined {
    return this.#slots.get(pool)
  }

  get shortage(): string {
    return shortageOf(this.#options.pool)
  }

  speaksHttp2(upstream: Upstream): boolean {
    return this.#speakHttp2.has(upstream)
  }

  hasConnectedSince(upstream: Upstream, since: number): boolean {
    return (this.#connectedAt.get(upstream) ?? Number.NEGATIVE_INFINITY) >= since
  }

  connectLimitMs(upstream: Upstream): number {
    const { connectMs, tcpConnectMs } = this.#limitsOf(upstream)
    const { endpoint, port } = upstream
    const toIt = [...this.#connecting].filter((one) => one.address === endpoint.address && one.port === port)
    const hasNotAnswered = toIt.length > 0 && toIt.every(({ isTcpPending }) => isTcpPending)
    return hasNotAnswered ? tcpConnectMs : connectMs
  }

  /**
   * Not over HTTP/2, where undici would reset the stream (see `Attempt`). Not with pipelining, where undici asserts that the
   * connection has no other request.
   */
  bodyMayThrow(upstream: Upstream): boolean {
    return !this.speaksHttp2(upstream) && (this.#options.pool.pipelining ?? 1) <= 1
  }

  /**
   * Over HTTP/1.1 the timeout closes the connection. Over HTTP/2 it would stay, though the host may be gone. If no other
   * request got a response either, the next ones get another connection.
   */
  fellSilent(upstream: Upstream, slots: Slots | undefined, since: number): void {
    if (!this.speaksHttp2(upstream) || upstream.answeredAt >= since) return
    const pool = this.#pools.get(upstream)
    if (pool !== undefined && this.#slots.get(pool) === slots) this.#leave(pool, upstream, this.#pools)
  }

  /** The task is deregistered: its connections close after its calls, which have 30 s. */
  drain(upstream: Upstream): void {
    for (const pools of [this.#pools, this.#http1Pools]) {
      const pool = pools.get(upstream)
      if (pool !== undefined) this.#closeWithin(MAX_DRAIN_MS, pool)
      pools.delete(upstream)
    }
  }

  /**
   * To be called when no call is in flight. undici may still have connections in progress for aborted calls, and responses
   * that are drained. Its own `close()` would wait for them.
   */
  close(): Promise<void> {
    return this.destroy(null)
  }

  /** Cuts the calls in flight. */
  async destroy(error: Error | null): Promise<void> {
    this.#closed = true
    const reason = error ?? new ClosedError('the client')
    const pools = [...this.#pools.values(), ...this.#http1Pools.values(), ...this.#draining.keys()]
    for (const timer of this.#draining.values()) timer?.cancel()
    this.#pools.clear()
    this.#http1Pools.clear()
    this.#draining.clear()
    for (const pool of pools) this.#slots.get(pool)?.destroy(reason)
    // undici's pools leave a socket that is connecting, and its timer.
    for (const connecting of this.#connecting) connecting.giveUp(reason)
    await Promise.all(pools.map((pool) => pool.destroy(error)))
  }

  /** Without HTTP/2 all callers share one pool. */
  #poolsFor(http1Only: boolean): Map<Upstream, Pool> {
    return http1Only && this.mayBeHttp2 ? this.#http1Pools : this.#pools
  }

  #closeWithin(limitMs: number, pool: Pool): void {
    const timer = Number.isFinite(limitMs)
      ? this.#options.clock.setTimer(() => this.#cut(pool), limitMs)
      : undefined
    this.#draining.set(pool, timer)
    const done = (): void => {
      timer?.cancel()
      this.#draining.delete(pool)
    }
    // The promise never settles if the pool is destroyed meanwhile.
    const close = (): void => void pool.close().then(done, done)
    const slots = this.#slots.get(pool)
    if (slots === undefined) close()
    // First the attempts that wait for its connections.
    else slots.whenIdle(close)
  }

  #cut(pool: Pool): void {
    this.#draining.delete(pool)
    this.#slots.get(pool)?.refuse(new ClosedError('the pool of a deregistered task'))
    pool.destroy().catch(throwLater)
  }

  #optionsOf({ endpoint }: Upstream): Pool.Options {
    const { pool, fallbackPool = pool } = this.#options
    return endpoint.tier === 1 ? fallbackPool : pool
  }

  #originOf({ endpoint }: Upstream): string {
    return endpoint.origin ?? this.#options.origin
  }

  #limitsOf(upstream: Upstream): ConnectLimits {
    return limitsWith(this.#optionsOf(upstream), limitsTo(upstream.endpoint, this.#options))
  }

  #open(upstream: Upstream, http1Only: boolean): Pool {
    const { clock } = this.#options
    const { endpoint, port } = upstream
    const pool = this.#optionsOf(upstream)
    const origin = this.#originOf(upstream)
    const limits = this.#limitsOf(upstream)
    const allowH2 = mayBeHttp2(pool) && !http1Only
    const pipelining = pool.pipelining ?? 1
    const slots = slotsFor(pool, allowH2 && origin.startsWith('https:'))
    const options: Pool.Options = { ...pool, allowH2 }
    const opened = new Pool(origin, {
      // onehop's own limit is exact, and holds over HTTP/2, for uploads and after 1xx.
      headersTimeout: 0,
      ...options,
      ...(pipelining > 1 && !allowH2 ? { factory: pipeliningClient } : {}),
      connect: connectorTo(endpoint.address, port, options, limits, clock, this.#connecting, {
        speaksHttp2: () => this.#speakHttp2.add(upstream),
        connected: (socket, isHttp2) => {
          if (slots === undefined || socket.destroyed) return
          socket.once('close', () => slots.disconnected(clock.now()))
          slots.connected(isHttp2, clock.now())
        },
        connectFailed: (error) => slots?.connectFailed(error),
      }),
    })
    this.#openedAt.set(opened, clock.now())
    opened.on('connect', () => this.#connectedAt.set(upstream, clock.now()))
    if (slots !== undefined) this.#slots.set(opened, slots)
    return opened
  }
}

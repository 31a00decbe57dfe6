import { Pool, type Dispatcher } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import type { Clock, Timer } from '../../core/clock.ts'
import { ClosedError } from '../../core/errors.ts'
import { throwLater } from '../../core/async/throw-later.ts'
import { connectorTo, pipeliningClient, wantsH2c, type Connecting } from './connector.ts'
import type { UpstreamDispatchers } from '../route.ts'
import { Slots } from './slots.ts'

/** How long a task that left may take to finish its calls before they are cut. */
const LONGEST_DRAIN_MS = 30_000

/** undici's default for `h2Options.maxConcurrentStreams`. */
const DEFAULT_STREAMS = 100

export interface PoolsOptions {
  /** What callers wrote: scheme, host and port. */
  readonly origin: string
  readonly connectMs: number
  /** undici's own options, for each task. */
  readonly pool: Pool.Options
  /** For the load balancer [those of tasks]. */
  readonly fallbackPool?: Pool.Options
  readonly clock: Clock
}

/**
 * One undici `Pool` for each upstream of an origin.
 *
 * A pool is made for the name and connects to the address: its origin is what the caller wrote, and only its
 * connector knows where the socket goes. So `Host`, `:authority` and the TLS server name are the caller's
 * without a header being touched, and certificates are verified against the name (docs/decisions/001).
 */
export class Pools implements UpstreamDispatchers {
  readonly mayBeHttp2: boolean
  readonly #options: PoolsOptions
  readonly #pools = new Map<Upstream, Pool>()
  /** For callers that cannot speak HTTP/2 (`fetch` of Node 22 and 24). Made only where they are asked for. */
  readonly #http1Pools = new Map<Upstream, Pool>()
  readonly #draining = new Map<Pool, Timer | undefined>()
  readonly #speakHttp2 = new WeakSet<Upstream>()
  readonly #openedAt = new WeakMap<Pool, number>()
  /** When the last connection was made, on the clock. */
  readonly #connectedAt = new WeakMap<Upstream, number>()
  readonly #slots = new WeakMap<Dispatcher, Slots>()
  /** Gives up a connection that is being made, each. */
  readonly #connecting: Connecting = new Set()
  #closed = false

  constructor(options: PoolsOptions) {
    this.#options = options
    this.mayBeHttp2 = mayBeHttp2(options.pool)
  }

  /** @throws ClosedError after `close` or `destroy`: nothing may be opened that nobody would end */
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

  /** The next calls get other connections; those under way go on over theirs, however long they are. */
  #leave(pool: Pool, upstream: Upstream, pools: Map<Upstream, Pool>): void {
    const isCapped = (this.#options.pool.connections ?? null) !== null
    // Others use its connections, and beside them there may be no more.
    if (isCapped && this.#slots.get(pool)?.isIdle === false) return
    pools.delete(upstream)
    if (isCapped) this.#cut(pool)
    else this.#closeWithin(Number.POSITIVE_INFINITY, pool)
  }

  /** Where attempts wait for the connections of a pool; undefined where each gets one of its own. */
  slotsOf(pool: Dispatcher): Slots | undefined {
    return this.#slots.get(pool)
  }

  /** What there is too little of where attempts wait. */
  get shortage(): string {
    return shortageOf(this.#options.pool)
  }

  /** Whether a connection to it turned out to speak HTTP/2, which sends headers before the body is there. */
  speaksHttp2(upstream: Upstream): boolean {
    return this.#speakHttp2.has(upstream)
  }

  hasConnectedSince(upstream: Upstream, since: number): boolean {
    return (this.#connectedAt.get(upstream) ?? Number.NEGATIVE_INFINITY) >= since
  }

  /**
   * Whether a request body may throw while undici reads it. Over HTTP/2 undici would reset the stream, as `Attempt` must
   * not; with pipelining it asserts that the connection has no other request.
   */
  bodyMayThrow(upstream: Upstream): boolean {
    return !this.speaksHttp2(upstream) && (this.#options.pool.pipelining ?? 1) <= 1
  }

  /**
   * It did not answer in time. Over HTTP/1.1 that costs the connection; with HTTP/2 it would stay, though the host may be
   * gone without a word. Where nothing else was answered over it either, the next requests get another.
   * @param slots those of the pool that the request is on
   * @param since when it had its connection, on the clock
   */
  fellSilent(upstream: Upstream, slots: Slots | undefined, since: number): void {
    if (!this.speaksHttp2(upstream) || upstream.answeredAt >= since) return
    const pool = this.#pools.get(upstream)
    if (pool !== undefined && this.#slots.get(pool) === slots) this.#leave(pool, upstream, this.#pools)
  }

  /**
   * The other calls over it end in peace, then it is destroyed with what was given up. Until then there is another one
   * beside it, also where `connections` are limited: they may be long.
   */
  retire(upstream: Upstream, slots: Slots): void {
    const pool = this.#pools.get(upstream)
    if (pool === undefined || this.#slots.get(pool) !== slots) return
    this.#pools.delete(upstream)
    this.#draining.set(pool, undefined)
    // Not within undici's own writing, of which this may be told: its queue would be emptied under its hands.
    slots.whenIdle(() => this.#options.clock.afterIo(() => this.#cut(pool)))
  }

  /** The upstream has left: its calls end in peace, its connections then; at most 30 s. */
  drain(upstream: Upstream): void {
    for (const pools of [this.#pools, this.#http1Pools]) {
      const pool = pools.get(upstream)
      if (pool !== undefined) this.#closeWithin(LONGEST_DRAIN_MS, pool)
      pools.delete(upstream)
    }
  }

  /**
   * To be called when no call is under way. What undici still has is nobody's: connections that are being made for calls
   * that were aborted, and responses that are not handed on. Its `close()` would wait for them.
   */
  close(): Promise<void> {
    return this.destroy(null)
  }

  /** Cuts the calls under way. */
  async destroy(error: Error | null): Promise<void> {
    this.#closed = true
    const reason = error ?? new ClosedError('the client')
    const pools = [...this.#pools.values(), ...this.#http1Pools.values(), ...this.#draining.keys()]
    for (const timer of this.#draining.values()) timer?.cancel()
    this.#pools.clear()
    this.#http1Pools.clear()
    this.#draining.clear()
    for (const pool of pools) this.#slots.get(pool)?.destroy(reason)
    // undici's pools do not: a socket that is being connected, and its timer, would outlive them.
    for (const giveUp of this.#connecting) giveUp(reason)
    await Promise.all(pools.map((pool) => pool.destroy(error)))
  }

  /** Only where HTTP/2 is possible are there callers that must not have it. */
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
    // It says nothing more if it is destroyed meanwhile.
    const close = (): void => void pool.close().then(done, done)
    const slots = this.#slots.get(pool)
    if (slots === undefined) close()
    // Those that wait for its connections are still to come.
    else slots.whenIdle(close)
  }

  #cut(pool: Pool): void {
    this.#draining.delete(pool)
    this.#slots.get(pool)?.refuse(new ClosedError('the pool of a task that left'))
    pool.destroy().catch(throwLater)
  }

  #open(upstream: Upstream, http1Only: boolean): Pool {
    const { origin, connectMs, pool: taskPool, fallbackPool = taskPool, clock } = this.#options
    const { endpoint, port } = upstream
    const pool = endpoint.tier === 1 ? fallbackPool : taskPool
    const allowH2 = mayBeHttp2(pool) && !http1Only
    const pipelining = pool.pipelining ?? 1
    const slots = slotsFor(pool, allowH2 && isSecure(endpoint.origin ?? origin))
    const options: Pool.Options = { ...pool, allowH2 }
    const opened = new Pool(endpoint.origin ?? origin, {
      // Ours is exact, and holds over HTTP/2, for uploads and behind 1xx.
      headersTimeout: 0,
      ...options,
      ...(pipelining > 1 && !allowH2 ? { factory: pipeliningClient } : {}),
      connect: connectorTo(endpoint.address, port, options, connectMs, clock, this.#connecting, {
        speaksHttp2: () => this.#speakHttp2.add(upstream),
        connected: (socket, isHttp2) => {
          if (slots === undefined || socket.destroyed) return
          socket.once('close', () => slots.disconnected())
          slots.connected(isHttp2)
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

/** undici speaks HTTP/2 unless it is told not to; here it is told to. */
export function mayBeHttp2(pool: Pool.Options): boolean {
  return pool.allowH2 === true || wantsH2c(pool)
}

function isSecure(origin: string): boolean {
  return origin.startsWith('https:')
}

/** Whether attempts may have to wait for connections that others use. */
export function mayQueue(pool: Pool.Options): boolean {
  return (pool.connections ?? null) !== null || mayBeHttp2(pool) || (pool.pipelining ?? 1) > 1
}

/** undefined where each attempt gets a connection of its own. */
function slotsFor(pool: Pool.Options, asksForHttp2: boolean): Slots | undefined {
  if (!mayQueue(pool)) return undefined
  const { pipelining, h2Options } = pool
  // undici reads the older option, too.
  const streams = h2Options?.maxConcurrentStreams ?? pool.maxConcurrentStreams ?? DEFAULT_STREAMS
  const perConnection = mayBeHttp2(pool) ? streams : Math.max(1, pipelining ?? 1)
  return new Slots(pool.connections ?? Number.POSITIVE_INFINITY, perConnection, asksForHttp2)
}

/** What there is too little of where attempts wait, and which option has more. */
function shortageOf(pool: Pool.Options): string {
  const { connections, pipelining } = pool
  if (mayBeHttp2(pool))
    return 'no stream was free on its HTTP/2 connections (pool.h2Options, pool.connections)'
  if ((pipelining ?? 1) > 1) return 'earlier requests on its connections were not answered (pool.pipelining)'
  return `no connection was free of the ${connections} that pool.connections allows`
}

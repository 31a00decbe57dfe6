import { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { buildConnector, errors, Pool } from 'undici'
import type { Upstream } from '../cluster/upstream.ts'
import { formatAddressPort } from '../core/address-port.ts'
import type { Clock, Timer } from '../core/clock.ts'
import { ClosedError } from '../core/errors.ts'
import type { UpstreamDispatchers } from './route.ts'

/** How long a task that left may take to finish its calls before they are cut. */
const LONGEST_DRAIN_MS = 30_000

export interface PoolsOptions {
  /** What callers wrote: scheme, host and port. */
  readonly origin: string
  readonly connectMs: number
  /** To response headers. */
  readonly attemptMs: number
  /** undici's own options, for each task. */
  readonly pool: Pool.Options
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
  readonly #options: PoolsOptions
  readonly #pools = new Map<Upstream, Pool>()
  /** For callers that cannot speak HTTP/2 (`fetch` of Node 22 and 24). Made only where they are asked for. */
  readonly #http1Pools = new Map<Upstream, Pool>()
  readonly #draining = new Map<Pool, Timer | undefined>()
  readonly #speakHttp2 = new WeakSet<Upstream>()
  readonly #openedAt = new WeakMap<Pool, number>()
  /** Gives up a connection that is being made, each. */
  readonly #connecting: Connecting = new Set()
  /** Without it, one pool serves all callers: `connections` is a number for each task. */
  readonly #mayBeHttp2: boolean
  #closed = false

  constructor(options: PoolsOptions) {
    this.#options = options
    const { allowH2, h2Options } = options.pool
    this.#mayBeHttp2 =
      allowH2 !== false && (options.origin.startsWith('https:') || h2Options?.useH2c === true)
  }

  /** @throws ClosedError after `close` or `destroy`: nothing may be opened that nobody would end */
  get(upstream: Upstream, http1Only: boolean): Pool {
    if (this.#closed) throw new ClosedError('the client')
    const pools = this.#poolsOf(http1Only)
    const known = pools.get(upstream)
    if (known !== undefined) return known
    const pool = this.#open(upstream, http1Only)
    pools.set(upstream, pool)
    return pool
  }

  fresh(upstream: Upstream, http1Only: boolean, since: number): Pool {
    const pool = this.get(upstream, http1Only)
    if ((this.#openedAt.get(pool) ?? Number.NEGATIVE_INFINITY) >= since) return pool
    const pools = this.#poolsOf(http1Only)
    pools.delete(upstream)
    // Others' calls go on over it, however long their responses are.
    void this.#closeWithin(Number.POSITIVE_INFINITY, pool)
    return this.get(upstream, http1Only)
  }

  /** Whether a connection to it turned out to speak HTTP/2, which sends headers before the body is there. */
  speaksHttp2(upstream: Upstream): boolean {
    return this.#speakHttp2.has(upstream)
  }

  /** The upstream has left: its calls end in peace, its connections then; at most 30 s. */
  async drain(upstream: Upstream): Promise<void> {
    const leaving: Promise<void>[] = []
    for (const pools of [this.#pools, this.#http1Pools]) {
      const pool = pools.get(upstream)
      if (pool !== undefined) leaving.push(this.#closeWithin(LONGEST_DRAIN_MS, pool))
      pools.delete(upstream)
    }
    await Promise.all(leaving)
  }

  /** To be called when no call is under way: what is still being connected is nobody's. */
  async close(): Promise<void> {
    this.#closed = true
    this.#giveUpConnecting(new ClosedError('the client'))
    const draining = [...this.#draining.keys()].map((pool) => pool.close())
    await Promise.all([...this.#all().map((pool) => pool.close()), ...draining])
    for (const timer of this.#draining.values()) timer?.cancel()
    this.#forget()
  }

  /** Cuts the calls under way. */
  async destroy(error: Error | null): Promise<void> {
    this.#closed = true
    this.#giveUpConnecting(error ?? new ClosedError('the client'))
    const pools = [...this.#all(), ...this.#draining.keys()]
    for (const timer of this.#draining.values()) timer?.cancel()
    this.#forget()
    await Promise.all(pools.map((pool) => pool.destroy(error)))
  }

  #poolsOf(http1Only: boolean): Map<Upstream, Pool> {
    return http1Only && this.#mayBeHttp2 ? this.#http1Pools : this.#pools
  }

  #all(): Pool[] {
    return [...this.#pools.values(), ...this.#http1Pools.values()]
  }

  /** undici's pools do not: a socket that is being connected, and its timer, would outlive them. */
  #giveUpConnecting(error: Error): void {
    for (const giveUp of this.#connecting) giveUp(error)
  }

  #forget(): void {
    this.#pools.clear()
    this.#http1Pools.clear()
    this.#draining.clear()
  }

  async #closeWithin(limitMs: number, pool: Pool): Promise<void> {
    const timer = Number.isFinite(limitMs)
      ? this.#options.clock.setTimer(() => void pool.destroy(), limitMs)
      : undefined
    this.#draining.set(pool, timer)
    await pool.close().catch(() => undefined)
    timer?.cancel()
    this.#draining.delete(pool)
  }

  #open(upstream: Upstream, http1Only: boolean): Pool {
    const { origin, connectMs, attemptMs, pool } = this.#options
    const { endpoint, port } = upstream
    const options = http1Only ? { ...pool, allowH2: false } : pool
    const opened = new Pool(endpoint.origin ?? origin, {
      headersTimeout: attemptMs,
      ...options,
      connect: connectorTo(
        endpoint.address,
        port,
        options,
        connectMs,
        this.#options.clock,
        this.#connecting,
        () => this.#speakHttp2.add(upstream),
      ),
    })
    this.#openedAt.set(opened, this.#options.clock.now())
    return opened
  }
}

type Connecting = Set<(error: Error) => void>

/**
 * Connects to an address, whatever the pool's origin says, and within a time. The time is measured here, because
 * undici's own connect timeout fires up to half a second late, and never before 1 s.
 */
function connectorTo(
  address: string,
  port: number,
  options: Pool.Options,
  connectMs: number,
  clock: Clock,
  connecting: Connecting,
  onHttp2: () => void,
): buildConnector.connector {
  const connector = connectorOf(options)
  const { connect } = options
  const ownMs = typeof connect === 'object' ? connect.timeout : undefined
  const limitMs = options.connectTimeout ?? ownMs ?? connectMs
  return (target, callback) => {
    let socket: unknown
    let settled = false
    const settle = (...result: Parameters<typeof callback>): void => {
      // Given up already: what comes up now is nobody's.
      if (settled) return void result[1]?.destroy()
      settled = true
      connecting.delete(giveUp)
      timer?.cancel()
      // With an error undici gives no socket at all, though its types say null.
      if ((result[1] as TLSSocket | null | undefined)?.alpnProtocol === 'h2') onHttp2()
      callback(...result)
    }
    const giveUp = (error: Error): void => {
      if (settled) return
      settle(error, null)
      if (socket instanceof Socket) socket.destroy()
    }
    const exceed = (): void => {
      const told = `no connection to ${formatAddressPort(address, port)} in ${limitMs} ms`
      giveUp(new errors.ConnectTimeoutError(told))
    }
    const timer = limitMs > 0 ? clock.setTimer(() => clock.afterIo(exceed), limitMs, true) : undefined
    connecting.add(giveUp)
    try {
      socket = connector({ ...target, hostname: address, port: String(port) }, settle)
    } catch (error) {
      // Not in this turn, in which undici takes errors for the request's own.
      queueMicrotask(() => settle(error as Error, null))
    }
  }
}

/** The connector that undici would build from these options, since a pool with a connector builds none. */
function connectorOf(options: Pool.Options): buildConnector.connector {
  if (typeof options.connect === 'function') return options.connect
  const { allowH2, maxCachedSessions, h2Options } = options
  return buildConnector({
    ...(allowH2 === undefined ? {} : { allowH2 }),
    ...(maxCachedSessions === undefined ? {} : { maxCachedSessions }),
    // HTTP/2 without TLS, by prior knowledge. undici reads it, its types do not tell.
    ...(h2Options?.useH2c === true ? { useH2c: true } : {}),
    ...options.connect,
    timeout: 0,
  })
}

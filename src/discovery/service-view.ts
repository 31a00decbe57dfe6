import type { Clock, Random, Timer } from '../core/clock.ts'
import { ClosedError, OnehopError, ResolutionFailedError, reasonOf } from '../core/errors.ts'
import { emit } from '../core/events.ts'
import { checkedSnapshot } from './checked-snapshot.ts'
import type { Endpoint, Snapshot } from './endpoint.ts'
import { inTime } from './in-time.ts'
import type { Resolver } from './resolver.ts'
import type { ServiceName } from './service-name.ts'

/** A name without calls for this long is left to expire. */
const IDLE_AFTER_MS = 60_000
/** How long the last good set serves while every refresh fails. */
const STALE_LIMIT_MS = 3_600_000
/** An empty answer after a non-empty one is not believed for this long: registries have hiccups. */
const EMPTY_HOLD_MS = 30_000
/** Beyond what any resolver of this library takes. */
const LOOKUP_LIMIT_MS = 30_000
const EARLY_REFRESH_EVERY_MS = 1_000
/** A TTL of 0, or a clock that a resolver of the user's misread, must not mean a lookup per request. */
const SHORTEST_TTL_MS = 1_000
const FIRST_BACKOFF_MS = 1_000
const LONGEST_BACKOFF_MS = 60_000
/** With nothing to serve, callers are waiting: ask again soon. */
const LONGEST_BACKOFF_WITHOUT_SNAPSHOT_MS = 5_000

/** What a view asks, and the time and chance it goes by. */
export interface Source {
  readonly resolver: Resolver
  readonly clock: Clock
  readonly random: Random
}

/**
 * What is known of one service, and until when it may be served.
 *
 * One lookup at a time, whatever the number of callers. At expiry a name in use is refreshed in the background
 * and the old answer serves meanwhile; an idle one is left to expire, and its next call waits for a fresh
 * answer. A failed lookup never replaces a good set.
 */
export class ServiceView {
  readonly service: ServiceName
  /** The last good set. `endpoints` is the same array as long as nothing about them changes. */
  snapshot: Snapshot | undefined
  /** Why there is no snapshot, or why it is old. */
  error: Error | undefined
  /** Until when calls need not wait; on the clock. */
  usableUntil: number = Number.NEGATIVE_INFINITY
  /** When the service was last called; on the clock. */
  usedAt: number = Number.NEGATIVE_INFINITY
  /** When the last lookup that succeeded came back; on the clock. */
  refreshedAt: number | undefined
  lookups = 0
  failures = 0
  readonly #source: Source
  #flight: Promise<void> | undefined
  #abort = new AbortController()
  #timer: Timer | undefined
  #lookedUpAt = Number.NEGATIVE_INFINITY
  #failuresInARow = 0
  #emptySince: number | undefined
  /** Was left to expire. */
  #idle = false
  #state: 'live' | 'suspended' | 'closed' = 'live'

  constructor(service: ServiceName, source: Source) {
    this.service = service
    this.#source = source
  }

  /**
   * Waits for the lookup under way, or starts one. Resolves when calls may go on: with a `snapshot`, or with
   * an `error` that stands until the next lookup.
   */
  async whenUsable(): Promise<void> {
    if (this.#state === 'closed') throw new ClosedError('the client')
    this.usedAt = this.#source.clock.now()
    await this.#refresh()
  }

  /** Asks anew before expiry, because an endpoint refused a connection. At most once a second. */
  refreshEarly(now: number): void {
    if (this.#state !== 'live' || now - this.#lookedUpAt < EARLY_REFRESH_EVERY_MS) return
    void this.#refresh().catch(ignoreClosed)
  }

  /** The cache has forgotten it: it stops refreshing. Who still has it may ask, and gets an answer each time. */
  suspend(): void {
    if (this.#state !== 'live') return
    this.#state = 'suspended'
    this.#timer?.cancel()
    this.usableUntil = Number.NEGATIVE_INFINITY
  }

  close(): void {
    this.#state = 'closed'
    this.#timer?.cancel()
    this.usableUntil = Number.NEGATIVE_INFINITY
    this.#abort.abort(new ClosedError('the client'))
  }

  #refresh(): Promise<void> {
    this.#flight ??= this.#lookUp().finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #lookUp(): Promise<void> {
    const { clock } = this.#source
    this.#timer?.cancel()
    this.#lookedUpAt = clock.now()
    this.lookups++
    try {
      const snapshot = checkedSnapshot(await this.#ask(), this.service, clock.now())
      if (this.#state === 'closed') throw new ClosedError('the client')
      this.#accept(snapshot, clock.now())
    } catch (error) {
      if (this.#state === 'closed') throw new ClosedError('the client')
      this.#fail(error, clock.now())
    }
  }

  /** However a resolver of the user's treats its signal, its lookups end in time. */
  #ask(): Promise<Snapshot> {
    const { resolver, clock } = this.#source
    const late = (): Error =>
      new ResolutionFailedError(this.service.host, `the resolver gave no answer in ${LOOKUP_LIMIT_MS} ms`)
    const limit = { clock, limitMs: LOOKUP_LIMIT_MS, signal: this.#abort.signal, late }
    return inTime(limit, async (signal) => resolver.resolve(this.service, signal))
  }

  #accept(fresh: Snapshot, now: number): void {
    const previous = this.snapshot
    this.error = undefined
    this.#failuresInARow = 0
    this.refreshedAt = now
    // Not after a pause: what was true then may be somebody else's address by now.
    const wasInUse = previous !== undefined && previous.endpoints.length > 0 && !this.#idle
    this.#emptySince = fresh.endpoints.length === 0 && wasInUse ? (this.#emptySince ?? now) : undefined
    this.#idle = false
    const held = this.#emptySince !== undefined && now < this.#emptySince + EMPTY_HOLD_MS
    const endpoints = held || sameEndpoints(previous, fresh) ? (previous?.endpoints ?? []) : fresh.endpoints
    if (!held) this.#emptySince = undefined
    this.snapshot = endpoints === fresh.endpoints ? fresh : { ...fresh, endpoints }
    this.usableUntil = Math.max(fresh.expiresAt, now + SHORTEST_TTL_MS)
    this.#refreshIn(this.usableUntil - now)
    if (endpoints !== previous?.endpoints) this.#announce(this.snapshot, previous)
  }

  #fail(cause: unknown, now: number): void {
    const { host } = this.service
    const error =
      cause instanceof OnehopError
        ? cause
        : new ResolutionFailedError(host, `lookup failed: ${reasonOf(cause)}`, cause)
    this.error = error
    this.failures++
    this.#failuresInARow++
    if (this.snapshot !== undefined && now >= this.snapshot.expiresAt + STALE_LIMIT_MS)
      this.snapshot = undefined
    const cap = this.snapshot === undefined ? LONGEST_BACKOFF_WITHOUT_SNAPSHOT_MS : LONGEST_BACKOFF_MS
    const ceiling = Math.min(cap, FIRST_BACKOFF_MS * 2 ** Math.min(this.#failuresInARow - 1, 10))
    // Full jitter (AWS Architecture Blog, "Exponential Backoff and Jitter"), but never at once.
    const retryInMs = ceiling * (0.1 + 0.9 * this.#source.random.next())
    this.usableUntil =
      this.snapshot === undefined ? now + retryInMs : this.snapshot.expiresAt + STALE_LIMIT_MS
    this.#refreshIn(retryInMs)
    const servingStale = this.snapshot !== undefined
    emit('onehop:resolve.failed', () => ({ host, error, servingStale, retryInMs }))
  }

  #refreshIn(delayMs: number): void {
    this.#timer?.cancel()
    if (this.#state !== 'live' || delayMs === Number.POSITIVE_INFINITY) return
    this.#timer = this.#source.clock.setTimer(() => this.#onDue(), delayMs)
  }

  #onDue(): void {
    const { clock } = this.#source
    if (clock.now() - this.usedAt > IDLE_AFTER_MS) {
      // Nobody waits for it: the next call asks, rather than be served what was true a while ago.
      this.usableUntil = Math.min(this.usableUntil, clock.now())
      this.#idle = true
      return
    }
    if (this.snapshot !== undefined) this.usableUntil = this.snapshot.expiresAt + STALE_LIMIT_MS
    void this.#refresh().catch(ignoreClosed)
  }

  #announce(snapshot: Snapshot, previous: Snapshot | undefined): void {
    emit('onehop:snapshot.changed', () => {
      const after = snapshot.endpoints.map(told)
      const before = new Set(previous?.endpoints.map(told))
      const now = new Set(after)
      return {
        host: this.service.host,
        source: snapshot.source,
        endpoints: after,
        added: after.filter((endpoint) => !before.has(endpoint)),
        removed: [...before].filter((endpoint) => !now.has(endpoint)),
      }
    })
  }
}

function sameEndpoints(previous: Snapshot | undefined, fresh: Snapshot): boolean {
  if (previous === undefined || previous.endpoints.length !== fresh.endpoints.length) return false
  const known = new Map(previous.endpoints.map((endpoint) => [told(endpoint), endpoint]))
  return fresh.endpoints.every((endpoint) => {
    const twin = known.get(told(endpoint))
    return (
      twin !== undefined &&
      twin.zone === endpoint.zone &&
      twin.weight === endpoint.weight &&
      twin.id === endpoint.id
    )
  })
}

function told(endpoint: Endpoint): string {
  return endpoint.port === undefined ? endpoint.address : `${endpoint.address}:${endpoint.port}`
}

function ignoreClosed(error: unknown): void {
  // Refreshing in the background can only be refused by close().
  if (!(error instanceof ClosedError)) throw error
}

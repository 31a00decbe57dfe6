import { inTime } from '../../core/async/with-timeout.ts'
import type { Clock, Random, Timer } from '../../core/clock.ts'
import { ClosedError, OnehopError, ResolutionFailedError, reasonOf } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import { AnswerHistory } from './answer-history.ts'
import { differenceOf } from '../endpoint-set.ts'
import type { Snapshot } from '../endpoint.ts'
import { validateSnapshot } from '../guard/validate-snapshot.ts'
import {
  earlyRefreshAt,
  freshUntil,
  isInUse,
  refreshAt,
  retryDelayMs,
  type LookupHistory,
} from './refresh-policy.ts'
import type { LookupReason, Resolver } from '../resolver.ts'
import type { LivenessSource } from './sample-merger.ts'
import type { ServiceName } from '../service-name.ts'
import type { View } from './view.ts'

/** How long the last good set serves while every refresh fails. */
const STALE_LIMIT_MS = 3_600_000
/** Beyond what any resolver of this library takes. */
const LOOKUP_LIMIT_MS = 30_000
/**
 * How late the timer may be that refreshes a name in use: until it has fired, calls go on with what expired. A process
 * that stood still for longer waits for a fresh answer, as it would after a pause.
 */
const LATE_TIMER_MS = 1_000

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
export class ServiceView implements View, LookupHistory {
  readonly service: ServiceName
  snapshot: Snapshot | undefined
  error: Error | undefined
  usableUntil: number = Number.NEGATIVE_INFINITY
  usedAt: number = Number.NEGATIVE_INFINITY
  /** When the last lookup that succeeded came back; on the clock. */
  refreshedAt: number | undefined
  /** When the last lookup that failed came back; on the clock. */
  failedAt: number | undefined
  /** When the next lookup is due, on the clock: Infinity when none is planned, or one is under way. */
  dueAt: number = Number.POSITIVE_INFINITY
  lookups = 0
  refreshes = 0
  failures = 0
  failuresInARow = 0
  readonly #source: Source
  readonly #history: AnswerHistory
  readonly #watchers = new Set<() => void>()
  #flight: Promise<void> | undefined
  #abort = new AbortController()
  #timer: Timer | undefined
  #lookedUpAt = Number.NEGATIVE_INFINITY
  /** Of the next lookup. */
  #reason: LookupReason = 'expired'
  /** Some endpoints have no port yet, and a lookup with the reason `ports` may bring it. */
  #awaitsPorts = false
  /** Was left to expire. */
  #isIdle = false
  #state: 'live' | 'suspended' | 'closed' = 'live'

  constructor(service: ServiceName, source: Source) {
    this.service = service
    this.#source = source
    this.#history = new AnswerHistory(service.host)
  }

  /** Since when each answer has been an empty one; on the clock. */
  get emptySince(): number | undefined {
    return this.#history.emptySince
  }

  touch(now: number, needsPort = false): boolean {
    this.usedAt = now
    return now < this.usableUntil && !(needsPort && this.#awaitsPorts)
  }

  /** Waits for the lookup under way, or starts one. */
  async whenUsable(needsPort = false): Promise<void> {
    if (this.#state === 'closed') throw new ClosedError('the client')
    this.usedAt = this.#source.clock.now()
    await this.#refresh(needsPort && this.#awaitsPorts)
    if (!needsPort || !this.#awaitsPorts) return
    // That was the first lookup, or one that began without this reason.
    await this.#refresh(true)
    // Whatever the resolver says: no call waits a third time.
    this.#awaitsPorts = false
  }

  addLivenessSource(source: LivenessSource): void {
    this.#history.livenessSources.add(source)
  }

  removeLivenessSource(source: LivenessSource): void {
    this.#history.livenessSources.delete(source)
  }

  /** From now on it stays refreshed without calls, and calls `lookedUp` after each lookup, failed or not. */
  addWatcher(lookedUp: () => void): void {
    this.#watchers.add(lookedUp)
  }

  removeWatcher(lookedUp: () => void): void {
    this.#watchers.delete(lookedUp)
  }

  refreshEarly(now: number, callsFail: boolean): void {
    if (this.#state !== 'live') return
    if (callsFail) this.#reason = 'urgent'
    else if (this.#reason === 'expired') this.#reason = 'sign'
    // The lookup under way may have begun before the change.
    if (this.#flight !== undefined) return
    const earliest = earlyRefreshAt(this.#lookedUpAt, this.failuresInARow > 0 && !callsFail)
    if (now >= earliest) void this.#refresh().catch(inBackground)
    else if (earliest < this.dueAt) this.#refreshIn(earliest - now)
  }

  /** The cache has forgotten it: it stops refreshing. A caller that still has it may ask, and gets an answer each time. */
  suspend(): void {
    if (this.#state !== 'live') return
    this.#state = 'suspended'
    this.#cancelTimer()
    this.usableUntil = Number.NEGATIVE_INFINITY
  }

  close(): void {
    this.#state = 'closed'
    this.#cancelTimer()
    this.usableUntil = Number.NEGATIVE_INFINITY
    this.#abort.abort(new ClosedError('the client'))
  }

  #refresh(forPorts = false): Promise<void> {
    this.#flight ??= this.#lookUp(forPorts).finally(() => {
      this.#flight = undefined
    })
    return this.#flight
  }

  async #lookUp(forPorts: boolean): Promise<void> {
    const { clock } = this.#source
    this.#cancelTimer()
    this.#lookedUpAt = clock.now()
    this.lookups++
    try {
      const snapshot = validateSnapshot(await this.#ask(forPorts), this.service, clock.now())
      if (this.#state !== 'closed') this.#accept(snapshot, clock.now())
    } catch (error) {
      if (this.#state !== 'closed') this.#fail(error, clock.now())
    }
    if (this.#state === 'closed') throw new ClosedError('the client')
    for (const lookedUp of this.#watchers) lookedUp()
  }

  /** However a resolver of the user's treats its signal, its lookups end in time. */
  #ask(forPorts: boolean): Promise<Snapshot> {
    const { resolver, clock } = this.#source
    const late = (): Error =>
      new ResolutionFailedError(this.service.host, `the resolver gave no answer in ${LOOKUP_LIMIT_MS} ms`)
    const limit = { clock, limitMs: LOOKUP_LIMIT_MS, signal: this.#abort.signal, late }
    const reason = forPorts ? 'ports' : this.#reason
    // With `ports`, a sign is for the lookup after it.
    if (!forPorts) this.#reason = 'expired'
    return inTime(limit, async (signal) => resolver.resolve(this.service, signal, reason))
  }

  #accept(fresh: Snapshot, now: number): void {
    const previous = this.snapshot
    this.error = undefined
    this.failuresInARow = 0
    this.refreshedAt = now
    this.refreshes++
    const endpoints = this.#history.add(fresh, previous?.endpoints, now, this.#isIdle)
    this.#isIdle = false
    this.snapshot = endpoints === fresh.endpoints ? fresh : { ...fresh, endpoints }
    this.#awaitsPorts = fresh.awaitsPorts === true
    this.usableUntil = freshUntil(fresh, now) + LATE_TIMER_MS
    const hasSign = this.#reason !== 'expired'
    const signAt = hasSign ? earlyRefreshAt(this.#lookedUpAt, false) : Number.POSITIVE_INFINITY
    this.#refreshIn(refreshAt(fresh, signAt, now) - now)
    if (endpoints !== previous?.endpoints) this.#announce(this.snapshot, previous)
  }

  #fail(cause: unknown, now: number): void {
    const { host } = this.service
    const error =
      cause instanceof OnehopError
        ? cause
        : new ResolutionFailedError(host, `lookup failed: ${reasonOf(cause)}`, cause)
    this.error = error
    this.#awaitsPorts = false
    this.failedAt = now
    this.failures++
    this.failuresInARow++
    if (now >= this.#staleAt) this.snapshot = undefined
    const servingStale = this.snapshot !== undefined
    const retryInMs = retryDelayMs(this.failuresInARow, servingStale, this.#source.random)
    this.usableUntil = servingStale ? this.#staleAt : now + retryInMs
    this.#refreshIn(retryInMs)
    emit('onehop:resolve.failed', () => ({ host, error, servingStale, retryInMs }))
  }

  /** When the last good set is too old to serve; on the clock. */
  get #staleAt(): number {
    return (this.snapshot?.expiresAt ?? Number.NEGATIVE_INFINITY) + STALE_LIMIT_MS
  }

  #refreshIn(delayMs: number): void {
    this.#cancelTimer()
    if (this.#state !== 'live' || delayMs === Number.POSITIVE_INFINITY) return
    this.dueAt = this.#source.clock.now() + delayMs
    this.#timer = this.#source.clock.setTimer(() => this.#onDue(), delayMs)
  }

  #cancelTimer(): void {
    this.#timer?.cancel()
    this.dueAt = Number.POSITIVE_INFINITY
  }

  #onDue(): void {
    const now = this.#source.clock.now()
    this.dueAt = Number.POSITIVE_INFINITY
    if (!isInUse(this, this.#history.hasNamed, now) && this.#watchers.size === 0) {
      // No caller waits for it: the next call asks instead of being served what was true a while ago.
      this.usableUntil = Math.min(this.usableUntil, now)
      this.#isIdle = true
      return
    }
    if (this.snapshot !== undefined) this.usableUntil = this.#staleAt
    void this.#refresh().catch(inBackground)
  }

  #announce(snapshot: Snapshot, previous: Snapshot | undefined): void {
    const { host } = this.service
    const { source, endpoints } = snapshot
    emit('onehop:snapshot.changed', () => ({
      host,
      source,
      ...differenceOf(previous?.endpoints ?? [], endpoints),
    }))
  }
}

function inBackground(): void {
  // No caller waits for it. `close()` refuses it; every other failure stands in `error`.
}

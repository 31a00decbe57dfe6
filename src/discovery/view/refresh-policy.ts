/** When a service is looked up again. Pure: what is known of its lookups, time and randomness are arguments. */
import { fullJitter } from '../../core/async/jitter.ts'
import type { Random } from '../../core/clock.ts'
import type { Snapshot } from '../endpoint.ts'

/** A service without calls for this long is left to expire. */
const IDLE_AFTER_MS = 60_000
/** Lookups that fail in a row, for a service that was asked for once. */
const TRIES_UNUSED = 3
/** Within this time of a lookup's end those that waited for it use what it brought. */
const WAITERS_GO_ON_MS = 100
/** A TTL of 0, or a clock that a resolver of the user's misread, must not mean a lookup per request. */
const MIN_TTL_MS = 1_000
/** The same for a resolver that asks for the next lookup before expiry. */
const MIN_REFRESH_MS = 10
const EARLY_REFRESH_EVERY_MS = 1_000
/** The same, while lookups fail: a source that is throttled or down is not helped by more of them. */
const EARLY_RETRY_EVERY_MS = 5_000
const FIRST_BACKOFF_MS = 1_000
/** Of each backoff step: the shortest wait. */
const MIN_BACKOFF_RATIO = 0.1
const MAX_BACKOFF_MS = 60_000
/** With nothing to serve, callers are waiting: ask again soon. */
const MAX_BACKOFF_WITHOUT_SNAPSHOT_MS = 5_000

/** The lookups of a service so far. Times on the clock. */
export interface LookupHistory {
  /** The last good answer, if it may still be served. */
  readonly snapshot: Snapshot | undefined
  /** When the last call asked for it. */
  readonly usedAt: number
  /** When the last lookup that succeeded came back. */
  readonly refreshedAt: number | undefined
  /** When the last lookup that failed came back. */
  readonly failedAt: number | undefined
  readonly failuresInARow: number
}

/**
 * Whether calls use a service. One that never had endpoints is not used as soon as no call asks for it since its last
 * lookup: names that do not exist may be many, and cost a lookup for each use.
 * @param hasNamed whether any answer has named endpoints
 */
export function isInUse(lookups: LookupHistory, hasNamed: boolean, now: number): boolean {
  const { snapshot, usedAt, refreshedAt, failedAt, failuresInARow } = lookups
  if (now - usedAt > IDLE_AFTER_MS) return false
  // A registry that counts the changes of a service without tasks knows that service.
  if (hasNamed || snapshot?.revision !== undefined) return true
  // What failed a moment ago may well be there the next.
  if (snapshot === undefined && failuresInARow < TRIES_UNUSED) return true
  return usedAt >= Math.max(refreshedAt ?? 0, failedAt ?? 0) + WAITERS_GO_ON_MS
}

/** Until when an answer is fresh; on the clock. */
export function freshUntil({ expiresAt }: Snapshot, now: number): number {
  return Math.max(expiresAt, now + MIN_TTL_MS)
}

/** @param signAt when a sign of a change that came meanwhile may be followed, on the clock; Infinity: there is none */
export function refreshAt(fresh: Snapshot, signAt: number, now: number): number {
  const expiresAt = freshUntil(fresh, now)
  return Math.max(now + MIN_REFRESH_MS, Math.min(fresh.refreshAt ?? expiresAt, signAt, expiresAt))
}

/** When a sign of a change may be followed at the earliest; on the clock. */
export function earlyRefreshAt(lookedUpAt: number, isFailing: boolean): number {
  return lookedUpAt + (isFailing ? EARLY_RETRY_EVERY_MS : EARLY_REFRESH_EVERY_MS)
}

/** The wait after `failures` in a row. */
export function retryDelayMs(failures: number, hasSnapshot: boolean, random: Random): number {
  const maxDelayMs = hasSnapshot ? MAX_BACKOFF_MS : MAX_BACKOFF_WITHOUT_SNAPSHOT_MS
  return fullJitter(failures, FIRST_BACKOFF_MS, maxDelayMs, random, MIN_BACKOFF_RATIO)
}

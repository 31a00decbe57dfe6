import { untilHttpDate } from '../../core/clock.ts'
import { InvalidOptionsError } from '../../core/errors.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { RetryBudgetOptions } from './budget.ts'

/** What a policy may know of the request. */
export interface RetryRequest {
  /** As the caller wrote it, e.g. `GET`. */
  readonly method: string
  /** With the query, unless the caller gave it as the `query` option. */
  readonly path: string
  /** By its method, an `Idempotency-Key` header, or `idempotent: true`. */
  readonly idempotent: boolean
  /** Attempts made so far, the failed one included. */
  readonly attempts: number
}

/** When a failed attempt is followed by another, and how many retries are allowed. */
export interface RetryOptions {
  /** Attempts in all, the first included, from 1 to 10. */
  readonly attempts: number
  /** First step of the backoff. The first retry to another task waits nothing. */
  readonly baseMs: number
  /** Longest wait between two attempts. */
  readonly maxDelayMs: number
  /** `Retry-After` is waited for up to this, and only when it is the same upstream again. */
  readonly maxRetryAfterMs: number
  /** Bytes of a streamed request body that are kept for another attempt; a longer one is not sent again. */
  readonly maxReplayBytes: number
  /** Limits retries to a fraction of the calls. Hedges draw on it too. */
  readonly budget: RetryBudgetOptions
  /**
   * Overrides the rule: true to retry, false to give up, undefined for the rule as it stands. Asked about errors of
   * attempts and responses from 400 on. Attempts, budget, deadline, and a body that is no longer whole, still end the call.
   */
  readonly on: ((outcome: Outcome, request: RetryRequest) => boolean | undefined) | undefined
}

const RETRYABLE_STATUS = new Set([502, 503, 504])

/**
 * Where another attempt could go: to an upstream that the call has not been to; to one that it has been to; or nowhere,
 * since all would end alike.
 */
export type NextPlace = 'elsewhere' | 'again' | 'nowhere'

/**
 * Whether an attempt that ended so may be followed by another. Attempts, budget and body are the caller's to
 * look at.
 * @throws InvalidOptionsError when the user's rule returns something else, such as a promise
 */
export function mayRetry(
  outcome: Outcome,
  request: RetryRequest,
  place: NextPlace,
  on: RetryOptions['on'],
): boolean {
  const told: unknown = on?.(outcome, request)
  if (typeof told === 'boolean') return told
  if (told !== undefined && told !== null) throw notAnAnswer(told)
  return place !== 'nowhere' && standsToReason(outcome, request.idempotent, place)
}

function notAnAnswer(told: unknown): InvalidOptionsError {
  const isThenable = typeof (told as { then?: unknown }).then === 'function'
  const given = isThenable ? Promise.resolve(told) : told
  // Nobody else waits for it, and a rejection that nobody hears ends the process.
  if (given instanceof Promise) given.catch(() => undefined)
  return new InvalidOptionsError(
    'retry.on',
    given,
    'a function that returns true, false or undefined at once',
  )
}

function standsToReason(outcome: Outcome, idempotent: boolean, place: NextPlace): boolean {
  switch (outcome.kind) {
    case 'response':
      // The task refused to work for anybody who asks as often as we do: ask another, not the same.
      if (outcome.status === 429) return place === 'elsewhere'
      return idempotent && (RETRYABLE_STATUS.has(outcome.status) || outcome.connectionExpired === true)
    case 'transport-error':
      return idempotent || !outcome.sent
    case 'timeout':
      // Without a connection nothing was sent: no method can have had an effect.
      return outcome.phase === 'connect' || (idempotent && outcome.phase === 'headers')
    case 'queue-timeout':
      // The same task has no more connections than before.
      return place === 'elsewhere' && (idempotent || !outcome.sent)
    case 'connect-error':
      return true
    case 'cancelled':
      return false
  }
}

/**
 * The wait that a `Retry-After` header asks for, in ms: seconds or an HTTP date (RFC 9110 section 10.2.3).
 * @returns undefined when the header is missing or unreadable
 */
export function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const text = Array.isArray(header) ? header[0] : header
  if (text === undefined) return undefined
  return /^\s*\d+\s*$/.test(text) ? Number(text) * 1_000 : untilHttpDate(text)
}

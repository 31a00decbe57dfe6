import type { Classification } from '../../core/classification.ts'
import { untilHttpDate } from '../../core/clock.ts'
import { InvalidOptionsError } from '../../core/errors.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { RetryBudgetOptions } from './budget.ts'

/** The request, as `retry.on` gets it. */
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
  /** First step of the backoff, in ms. The first retry on another task does not wait. */
  readonly baseMs: number
  /** Longest wait between two attempts, in ms. */
  readonly maxDelayMs: number
  /** `Retry-After` is respected up to this, in ms, when the same upstream is called again. */
  readonly maxRetryAfterMs: number
  /** Bytes of a streamed request body that are kept for another attempt. A longer body is not sent again. */
  readonly maxReplayBytes: number
  /** Limits retries to a fraction of the calls. Hedges draw on it too. */
  readonly budget: RetryBudgetOptions
  /**
   * Overrides the rule: true retries, false does not, undefined keeps the rule. Called for failed attempts and for
   * responses from 400 on, or that `classify` calls no success or gives a `retry`. Attempts, budget, deadline and a body beyond `maxReplayBytes` still end the call.
   */
  readonly on: ((outcome: Outcome, request: RetryRequest) => boolean | undefined) | undefined
}

const RETRYABLE_STATUS = new Set([502, 503, 504])

/**
 * Where another attempt could go: to an upstream that the call has not tried; to one that it has tried; or nowhere, since
 * all attempts would fail alike.
 */
export type NextPlace = 'elsewhere' | 'again' | 'nowhere'

/**
 * Whether an outcome may be followed by another attempt. The caller checks attempts, budget and body.
 * @throws InvalidOptionsError if the user's rule returns another type, such as a promise
 */
export function mayRetry(
  outcome: Outcome,
  request: RetryRequest,
  place: NextPlace,
  on: RetryOptions['on'],
): boolean {
  const answer: unknown = on?.(outcome, request)
  if (typeof answer === 'boolean') return answer
  if (answer !== undefined && answer !== null) throw notAnAnswer(answer)
  return place !== 'nowhere' && isRetryable(outcome, request.idempotent, place)
}

function notAnAnswer(answer: unknown): InvalidOptionsError {
  const isThenable = typeof (answer as { then?: unknown }).then === 'function'
  const given = isThenable ? Promise.resolve(answer) : answer
  // An unhandled rejection would end the process.
  if (given instanceof Promise) given.catch(() => undefined)
  return new InvalidOptionsError(
    'retry.on',
    given,
    'a function that returns true, false or undefined at once',
  )
}

function isRetryable(outcome: Outcome, idempotent: boolean, place: NextPlace): boolean {
  switch (outcome.kind) {
    case 'response':
      if (outcome.classified !== undefined)
        return isClassifiedRetryable(outcome.classified, idempotent, place)
      // 429 is rate limiting, not a fault: another task may accept the call.
      if (outcome.status === 429) return place === 'elsewhere'
      return idempotent && (RETRYABLE_STATUS.has(outcome.status) || outcome.connectionExpired === true)
    case 'transport-error':
      return idempotent || !outcome.sent
    case 'timeout':
      // Nothing was sent without a connection, so any method may be retried.
      return outcome.phase === 'connect' || (idempotent && outcome.phase === 'headers')
    case 'queue-timeout':
      // The same task would have no more connections.
      return place === 'elsewhere' && (idempotent || !outcome.sent)
    case 'connect-error':
      return true
    case 'cancelled':
      return false
  }
}

function isClassifiedRetryable(
  { kind, retry = 'never' }: Classification,
  idempotent: boolean,
  place: NextPlace,
): boolean {
  // A task that refuses calls refuses the next one, too.
  if (kind === 'overloaded' && place !== 'elsewhere') return false
  return retry === 'any' || (retry === 'idempotent' && idempotent)
}

/**
 * The wait of a `Retry-After` header, in ms: seconds or an HTTP date (RFC 9110 section 10.2.3).
 * @returns undefined if the header is missing or invalid
 */
export function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const text = Array.isArray(header) ? header[0] : header
  if (text === undefined) return undefined
  return /^\s*\d+\s*$/.test(text) ? Number(text) * 1_000 : untilHttpDate(text)
}

import pRetry, { AbortError } from 'p-retry'
import { fullJitter } from '../../../core/async/jitter.ts'
import { sleep, type Clock, type Random } from '../../../core/clock.ts'
import { isRetriable } from '../errors.ts'

/** Between tries; a deployment starts many tasks at once, so the jitter is full. */
const BASE_MS = 200
const MAX_DELAY_MS = 5_000

export interface Retries {
  readonly clock: Clock
  readonly random: Random
  /** On the clock: no try begins after it. */
  readonly deadlineAt: number
  /** Ends the waits, and lets no further try begin. A try under way goes on [none]. */
  readonly signal?: AbortSignal | undefined
  readonly onRetry: (error: Error, attempt: number, waitMs: number) => void
  /** [`isRetriable`] */
  readonly mayRetry?: (error: unknown) => boolean
}

/**
 * Tries until it succeeds, fails for good, or the time is over.
 *
 * p-retry counts, and ends with the signal. It knows no other clock and randomness than the process's, so its own
 * waits are off (`minTimeout: 0`) and the wait is ours: it awaits `onFailedAttempt`, and takes what that throws as final.
 *
 * @throws the last error, or the signal's reason
 */
export function withRetries<Result>(retries: Retries, attempt: () => Promise<Result>): Promise<Result> {
  const { clock, random, deadlineAt, signal, onRetry, mayRetry = isRetriable } = retries
  const tryOnce = async (): Promise<Result> => {
    try {
      return await attempt()
    } catch (error) {
      throw mayRetry(error) ? error : new AbortError(error as Error)
    }
  }
  return pRetry(tryOnce, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: 0,
    ...(signal !== undefined && { signal }),
    onFailedAttempt: async ({ error, attemptNumber }) => {
      const waitMs = fullJitter(attemptNumber, BASE_MS, MAX_DELAY_MS, random)
      if (clock.now() + waitMs > deadlineAt) throw error
      onRetry(error, attemptNumber, waitMs)
      await sleep(clock, waitMs, signal)
    },
  })
}

import pRetry, { AbortError } from 'p-retry'
import { sleep, type Clock } from '../core/clock.ts'

export interface Retries {
  readonly clock: Clock
  /** On the clock: no try begins after it [none]. */
  readonly deadlineAt?: number
  /** Ends the waits, and lets no further try begin. A try under way goes on [none]. */
  readonly signal?: AbortSignal | undefined
  /** @param attempt that failed, from 1 */
  readonly mayRetry: (error: unknown, attempt: number) => boolean
  readonly waitMs: (attempt: number) => number
  readonly onRetry?: (error: Error, attempt: number, waitMs: number) => void
}

/**
 * Tries until it succeeds, fails for good, or the time is over.
 *
 * p-retry counts, and ends with the signal. It knows no other clock and randomness than the process's, so its own
 * waits are off (`minTimeout: 0`) and the wait is ours: it awaits `onFailedAttempt`, and takes what that throws as final.
 *
 * @throws the last error, or the signal's reason
 */
export function withRetries<Result>(
  { clock, deadlineAt = Number.POSITIVE_INFINITY, signal, mayRetry, waitMs, onRetry }: Retries,
  tryOnce: () => Promise<Result>,
): Promise<Result> {
  return pRetry(
    (attempt) =>
      tryOnce().catch((error: unknown) => {
        throw mayRetry(error, attempt) ? error : new AbortError(error as Error)
      }),
    {
      retries: Number.POSITIVE_INFINITY,
      minTimeout: 0,
      ...(signal !== undefined && { signal }),
      onFailedAttempt: async ({ error, attemptNumber }) => {
        const ms = waitMs(attemptNumber)
        if (clock.now() + ms > deadlineAt) throw error
        onRetry?.(error, attemptNumber, ms)
        await sleep(clock, ms, signal)
      },
    },
  )
}

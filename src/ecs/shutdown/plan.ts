import type { ShutdownSettings } from './options.ts'

/** How a shutdown divides the time until SIGKILL. In ms. */
export interface Plan {
  /** After deregistration: until no caller resolves the task any more, as far as it fits. 0: no caller finds it. */
  readonly windowMs: number
  /** What `windowMs` would be with time enough. */
  readonly wantedWindowMs: number
  /** After the signal: when the window ends, quiet or not, so that what follows has its time. */
  readonly windowEndsByMs: number
  /** After the signal: when requests under way are cut. */
  readonly finishByMs: number
  /** After the signal: when the process exits, whatever `onClose` waits for. */
  readonly closeByMs: number
  /** The shortest `stopTimeout` that has room for everything. */
  readonly neededMs: number
}

type Times = Pick<
  ShutdownSettings,
  'stopTimeoutMs' | 'propagationMs' | 'quietMs' | 'finishMs' | 'closeMs' | 'marginMs' | 'isFound'
>

/**
 * Requests and `onClose` keep their time; the window shrinks if it does not fit. Without room for them either, all
 * shrink alike: requests would be cut at the signal.
 */
export function planOf(times: Times, ttlMs: number): Plan {
  const { stopTimeoutMs, quietMs, finishMs, closeMs, marginMs, propagationMs, isFound } = times
  const wantedWindowMs = isFound ? propagationMs + ttlMs : 0
  const endMs = finishMs + closeMs + marginMs
  const share = endMs > stopTimeoutMs ? stopTimeoutMs / endMs : 1
  const closeByMs = stopTimeoutMs - share * marginMs
  const finishByMs = closeByMs - share * closeMs
  const windowEndsByMs = isFound ? Math.max(0, stopTimeoutMs - endMs) : 0
  return {
    windowMs: Math.min(wantedWindowMs, windowEndsByMs),
    wantedWindowMs,
    windowEndsByMs,
    finishByMs,
    closeByMs,
    neededMs: wantedWindowMs + (isFound ? quietMs : 0) + endMs,
  }
}

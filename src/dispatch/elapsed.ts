import type { LoopLag } from '../core/loop-lag.ts'

/** Milliseconds from `since` to `now`, both on the clock, without those for which this process was busy. */
export function elapsedMs(since: number, now: number, lag: Pick<LoopLag, 'at'>): number {
  const ms = now - since
  return ms - Math.min(lag.at(now), ms)
}

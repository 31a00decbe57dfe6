/** What a run says about the difference of two arms at one percentile. */
import type { Interval } from './bootstrap.ts'
import { hasEnoughSamples } from './percentiles.ts'

export type Verdict =
  | { readonly kind: 'faster' | 'slower' }
  /** The interval holds zero. */
  | { readonly kind: 'no-difference-seen' }
  | { readonly kind: 'cannot-tell'; readonly reason: Reason }

/** Why there is no verdict. */
export type Reason =
  | 'too-few-samples'
  | 'too-few-blocks'
  | 'control-differs'
  | 'generator-late'
  | 'too-many-failures'

export interface Evidence {
  readonly share: number
  /** Of the arm that has fewer. */
  readonly samples: number
  /** arm − baseline, in ms; undefined if there are too few blocks. */
  readonly difference: Interval | undefined
  readonly differenceMs: number
  /** A − A of the control, in ms; undefined if the run has no control. */
  readonly control: Interval | undefined
  /** How late the generator sent, at the same percentile. */
  readonly latenessMs: number
  /** Calls of the worst arm, the control too, that failed, fell back or were not sent, as a share. */
  readonly failedShare: number
}

/** Lateness is in the latencies of both arms. Beyond this part of the difference it could be the difference. */
const MAX_LATENESS = 1 / 3
/** Failed calls have no latency. If they are a larger part of the tail, the percentile leaves out too much of it. */
const MAX_FAILED = 1 / 3

export function verdictOf(evidence: Evidence): Verdict {
  const { share, samples, difference, differenceMs, control, latenessMs, failedShare } = evidence
  // Before the others: a longer run would not help.
  if (hidesTail(failedShare, share)) return cannotTell('too-many-failures')
  if (!hasEnoughSamples(samples, share)) return cannotTell('too-few-samples')
  if (difference === undefined) return cannotTell('too-few-blocks')
  if (control !== undefined && excludesZero(control)) return cannotTell('control-differs')
  if (!excludesZero(difference)) return { kind: 'no-difference-seen' }
  if (latenessMs > Math.abs(differenceMs) * MAX_LATENESS) return cannotTell('generator-late')
  return { kind: difference.high < 0 ? 'faster' : 'slower' }
}

/** Whether calls without a latency are too many for this percentile of the others. */
export function hidesTail(failedShare: number, share: number): boolean {
  return failedShare > (1 - share) * MAX_FAILED
}

export function excludesZero({ low, high }: Interval): boolean {
  return low > 0 || high < 0
}

function cannotTell(reason: Reason): Verdict {
  return { kind: 'cannot-tell', reason }
}

import type { ArmName } from '../arms/arm.ts'
import type { Resampled } from '../statistics/bootstrap.ts'
import { hasEnoughSamples, PERCENTILES, samplesFor } from '../statistics/percentiles.ts'
import { verdictOf, type Reason, type Verdict } from '../statistics/verdict.ts'
import { lostShare } from './lost-calls.ts'
import { count, ms, percent, range } from './numbers.ts'
import type { ArmReport, Comparison, Difference, Lateness } from './report.ts'

export interface CompareInput {
  readonly arms: readonly ArmReport[]
  readonly latency: Resampled
  readonly lateness: Lateness
}

/**
 * Each arm with the baseline, and the control with the arm that it is a copy of.
 * @param baseline must be one of the arms
 */
export function compareArms(input: CompareInput, baseline: ArmName): Comparison[] {
  const { arms } = input
  const control = arms.find(({ name }) => name === 'control')
  const original = arms.find(({ name, way }) => name !== 'control' && way === control?.way)
  const comparisons: Comparison[] = []
  const reference = arms.find(({ name }) => name === baseline)
  for (const arm of arms) {
    if (arm.name === 'control' || arm === reference || reference === undefined) continue
    comparisons.push(comparison(input, arm, reference, control, original))
  }
  if (control !== undefined && original !== undefined)
    comparisons.push(comparison(input, control, original, undefined, undefined))
  return comparisons
}

function comparison(
  { arms, latency, lateness }: CompareInput,
  arm: ArmReport,
  baseline: ArmReport,
  control: ArmReport | undefined,
  original: ArmReport | undefined,
): Comparison {
  const at = (report: ArmReport): number => arms.indexOf(report)
  const percentiles = PERCENTILES.map((share): Difference => {
    const fewest = Math.min(arm.succeeded, baseline.succeeded)
    const hasEnough = hasEnoughSamples(fewest, share)
    const interval = hasEnough ? latency.difference(at(arm), at(baseline), share) : undefined
    const difference = latency.percentile(at(arm), share) - latency.percentile(at(baseline), share)
    const latenessMs = lateness.percentiles.find((late) => late.share === share)?.ms ?? 0
    const failedShare = Math.max(...[arm, baseline, control].map((one) => (one ? lostShare(one) : 0)))
    const verdict = verdictOf({
      share,
      hasEnoughSamples: hasEnough,
      difference: interval,
      differenceMs: difference,
      control:
        control === undefined || original === undefined
          ? undefined
          : latency.difference(at(control), at(original), share),
      latenessMs,
      failedShare,
    })
    const facts = { share, fewest, latenessMs, failedShare, interval }
    return {
      share,
      differenceMs: hasEnough ? difference : null,
      interval: interval ?? null,
      verdict,
      sentence: sentenceOf(verdict, facts),
    }
  })
  return { arm: arm.name, baseline: baseline.name, isControl: arm.name === 'control', percentiles }
}

interface Facts {
  readonly share: number
  readonly fewest: number
  readonly latenessMs: number
  readonly failedShare: number
  readonly interval: { readonly low: number; readonly high: number } | undefined
}

function sentenceOf(verdict: Verdict, facts: Facts): string {
  const { low = Number.NaN, high = Number.NaN } = facts.interval ?? {}
  switch (verdict.kind) {
    case 'faster':
      return `faster by ${range(-high, -low)}`
    case 'slower':
      return `slower by ${range(low, high)}`
    case 'no-difference-seen':
      return `no difference seen (${range(low, high)})`
    case 'cannot-tell':
      return `cannot tell: ${reasonOf(verdict.reason, facts)}`
  }
}

function reasonOf(reason: Reason, { share, fewest, latenessMs, failedShare }: Facts): string {
  switch (reason) {
    case 'too-few-samples':
      return `needs ${count(samplesFor(share))} calls an arm, has ${count(fewest)}`
    case 'too-few-blocks':
      return 'the run is too short'
    case 'too-many-failures':
      return `${percent(failedShare)} of the calls of an arm failed, fell back or were not sent`
    case 'control-differs':
      return 'the two copies of one arm differ here'
    case 'generator-late':
      return `the generator was ${ms(latenessMs)} late at this percentile`
  }
}

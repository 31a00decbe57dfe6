import type { Interval, Resampled } from '../statistics/bootstrap.ts'
import { hasEnoughSamples, PERCENTILES, samplesFor } from '../statistics/percentiles.ts'
import { verdictOf, type Evidence, type Reason, type Verdict } from '../statistics/verdict.ts'
import { lostShare } from './lost-calls.ts'
import { count, ms, percent, range } from './numbers.ts'
import type { ArmReport, BenchReport, Comparison, Difference } from './report.ts'

type Compared = Pick<BenchReport, 'arms' | 'lateness'> & { readonly latency: Resampled }

/**
 * Each arm with the baseline, and the control with the arm that it is a copy of.
 * @param baseline one of the arms; undefined: there are none
 */
export function compareArms(input: Compared, baseline: ArmReport | undefined): Comparison[] {
  const { arms } = input
  const copy = arms.find(({ name }) => name === 'control')
  const original = arms.find(({ name, way }) => name !== 'control' && way === copy?.way)
  const control = copy !== undefined && original !== undefined ? { copy, original } : undefined
  const others = arms.filter((arm) => arm !== copy && arm !== baseline)
  return [
    ...(baseline === undefined ? [] : others.map((arm) => comparison(input, arm, baseline, control))),
    ...(control === undefined ? [] : [comparison(input, control.copy, control.original)]),
  ]
}

function comparison(
  { arms, latency, lateness }: Compared,
  arm: ArmReport,
  baseline: ArmReport,
  control?: { readonly copy: ArmReport; readonly original: ArmReport },
): Comparison {
  const at = (report: ArmReport): number => arms.indexOf(report)
  const between = (one: ArmReport, other: ArmReport, share: number): Interval | undefined =>
    latency.difference(at(one), at(other), share)
  const failedShare = Math.max(...[arm, baseline, control?.copy].map((one) => (one ? lostShare(one) : 0)))
  const percentiles = PERCENTILES.map((share): Difference => {
    const samples = Math.min(arm.succeeded, baseline.succeeded)
    const hasEnough = hasEnoughSamples(samples, share)
    const differenceMs = latency.percentile(at(arm), share) - latency.percentile(at(baseline), share)
    const evidence: Evidence = {
      ...{ share, samples, differenceMs, failedShare },
      difference: hasEnough ? between(arm, baseline, share) : undefined,
      control: control === undefined ? undefined : between(control.copy, control.original, share),
      latenessMs: lateness.percentiles.find((late) => late.share === share)?.ms ?? 0,
    }
    const verdict = verdictOf(evidence)
    return {
      share,
      differenceMs: hasEnough ? differenceMs : null,
      interval: evidence.difference ?? null,
      verdict,
      sentence: sentenceOf(verdict, evidence),
    }
  })
  return { arm: arm.name, baseline: baseline.name, isControl: arm.name === 'control', percentiles }
}

function sentenceOf(verdict: Verdict, evidence: Evidence): string {
  const { low = Number.NaN, high = Number.NaN } = evidence.difference ?? {}
  switch (verdict.kind) {
    case 'faster':
      return `faster by ${range(-high, -low)}`
    case 'slower':
      return `slower by ${range(low, high)}`
    case 'no-difference-seen':
      return `no difference seen (${range(low, high)})`
    case 'cannot-tell':
      return `cannot tell: ${reasonOf(verdict.reason, evidence)}`
  }
}

function reasonOf(reason: Reason, { share, samples, latenessMs, failedShare }: Evidence): string {
  switch (reason) {
    case 'too-few-samples':
      return `needs ${count(samplesFor(share))} calls an arm, has ${count(samples)}`
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

import { lostShare } from '../report/lost-calls.ts'
import { digits, ms } from '../report/numbers.ts'
import type { ArmReport, AssertionResult } from '../report/report.ts'
import { hidesTail } from '../statistics/verdict.ts'
import type { Assertion, Measure } from './parse.ts'

/** On what was measured, not on intervals. An assertion that needs what the run cannot tell does not hold. */
export function evaluate({ text, holds }: Assertion, arms: readonly ArmReport[]): AssertionResult {
  const values = new Map<string, string>()
  const result = holds((measure, arm, asked) => {
    const value = measured(measure, arm, arms)
    const shown = measure.kind === 'errors' ? digits : ms
    values.set(asked, value === null ? 'cannot tell' : shown(value))
    return value ?? Number.NaN
  })
  const shownValues = Array.from(values, ([asked, value]) => `${asked} = ${value}`)
  return { text, holds: result, values: shownValues.join(', ') }
}

/** @returns null for an arm that did not take part, too few samples, or too many calls without a latency */
function measured(measure: Measure, arm: string, arms: readonly ArmReport[]): number | null {
  const names = arm === 'direct' ? ['dns', 'api'] : [arm]
  const report = arms.find(({ name }) => names.includes(name))
  if (report === undefined) return null
  switch (measure.kind) {
    case 'max':
      // A call without a latency may have been the slowest.
      return report.succeeded < report.calls ? null : report.maxMs
    case 'errors':
      return report.calls === 0 ? null : (report.calls - report.succeeded) / report.calls
    case 'percentile':
      if (hidesTail(lostShare(report), measure.share)) return null
      return report.latency.find(({ share }) => share === measure.share)?.ms ?? null
  }
}

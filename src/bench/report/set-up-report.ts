import { SET_UP_STEPS, type SetUpStep } from '../arms/set-up.ts'
import type { Run } from '../run.ts'
import { percentileOf } from '../statistics/percentiles.ts'
import { labelOf } from './labels.ts'
import type { SetUpReport, Spread } from './report.ts'

export function setUpReports({ setUp }: Run): SetUpReport[] {
  return [...setUp].map(([way, { failed, ms }]) => ({
    ...{ way, label: labelOf(way, way), failed },
    ...(Object.fromEntries(SET_UP_STEPS.map((step) => [step, spreadOf(ms[step])])) as Pick<
      SetUpReport,
      SetUpStep
    >),
  }))
}

function spreadOf(times: readonly number[]): Spread | null {
  const sorted = times.toSorted((a, b) => a - b)
  const [minMs] = sorted
  const maxMs = sorted.at(-1)
  if (minMs === undefined || maxMs === undefined) return null
  return { tries: sorted.length, medianMs: percentileOf(sorted, 0.5), minMs, maxMs }
}

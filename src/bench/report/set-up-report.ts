import type { Run } from '../run.ts'
import { percentileOf } from '../statistics/percentiles.ts'
import { labelOf } from './labels.ts'
import type { SetUpReport, Spread } from './report.ts'

export function setUpReports({ setUp }: Run): SetUpReport[] {
  return [...setUp].map(([way, tries]) => ({
    way,
    label: labelOf(way, way),
    failed: tries.failed,
    lookup: spreadOf(tries.lookupMs),
    tcp: spreadOf(tries.tcpMs),
    tls: spreadOf(tries.tlsMs),
    tlsResumed: spreadOf(tries.resumedMs),
    coldCall: spreadOf(tries.coldCallMs),
    warmCall: spreadOf(tries.warmCallMs),
  }))
}

function spreadOf(times: readonly number[]): Spread | null {
  const sorted = times.toSorted((a, b) => a - b)
  const [minMs] = sorted
  const maxMs = sorted.at(-1)
  if (minMs === undefined || maxMs === undefined) return null
  return { tries: sorted.length, medianMs: percentileOf(sorted, 0.5), minMs, maxMs }
}

/** Makes the report of what a run has measured. */
import { seededRandom } from '../../core/seeded-random.ts'
import { labelOf } from '../arms/arm.ts'
import { SET_UP_STEPS, type SetUpStep } from '../arms/set-up.ts'
import type { Run } from '../run.ts'
import type { BenchSettings } from '../settings.ts'
import { Resampled } from '../statistics/bootstrap.ts'
import { knownPercentile, PERCENTILES, percentileOf } from '../statistics/percentiles.ts'
import { armReport } from './arm-report.ts'
import { compareArms } from './compare.ts'
import { conclusionsOf, limitsOf, worseOf, type Findings } from './conclusions.ts'
import { costReport } from './cost-report.ts'
import { Counted, latencyOf, latenessOf, serviceTimeOf, type TimeOf } from './counted.ts'
import type { BenchReport, Lateness, SetUpReport, Spread, Where } from './report.ts'

/** @param where without what the settings have */
export function buildReport(
  run: Run,
  settings: BenchSettings,
  where: Omit<Where, 'url' | 'fallback'>,
): BenchReport {
  const { arms, recording, zones, startedAt, wasInterrupted } = run
  const { warmUpMs, durationMs, seed } = settings
  const counted = new Counted(recording, warmUpMs, warmUpMs + durationMs)
  const resampled = (timeOf: TimeOf): Resampled => {
    const samples = arms.map((_, index) => counted.samples(index, timeOf))
    return new Resampled(samples, counted.blocks, PERCENTILES, seededRandom(seed))
  }
  const latency = resampled(latencyOf)
  const service = resampled(serviceTimeOf)
  const window = { from: startedAt + counted.cutMs, to: startedAt + counted.endMs }
  const reports = arms.map((arm, index) =>
    armReport({ arm, index, counted, zones, window, latency, service }),
  )
  const lateness = latenessReport(counted)
  // The baseline may be an arm that could not be called.
  const baseline = reports.find(({ name }) => name === settings.baseline) ?? reports[0]
  const comparisons = compareArms({ arms: reports, latency, lateness }, baseline)
  const setUp = setUpReports(run)
  const cost = costReport(reports, settings, where.zone)
  const findings: Findings = {
    ...{ arms: reports, comparisons, counted, cost, setUp, settings, wasInterrupted },
    zone: where.zone,
  }
  return {
    format: 1,
    title: settings.title ?? `Direct calls against the load balancer: ${settings.url.host}`,
    notices: [...settings.notices, ...run.notes],
    conclusions: conclusionsOf(findings),
    where: { ...where, url: shownUrl(settings.url), fallback: settings.fallback?.origin ?? null },
    load: {
      method: settings.request.method,
      arrivals: settings.arrivals,
      perSecond: settings.perSecond,
      seed,
      durationMs: counted.endMs,
      cutMs: counted.cutMs,
      hasSettled: counted.hasSettled,
      blocks: counted.blocks,
      calls: counted.calls.length,
      maxInFlight: settings.maxInFlight,
      timeoutMs: settings.timeoutMs,
      wasInterrupted,
    },
    arms: reports,
    comparisons,
    lateness,
    setUp,
    cost,
    worse: worseOf(findings),
    limits: limitsOf(findings),
    assertions: [],
    command: settings.command,
  }
}

/** Queries may hold secrets. */
function shownUrl({ origin, pathname, search }: URL): string {
  return `${origin}${pathname}${search === '' ? '' : '?…'}`
}

function latenessReport(counted: Counted): Lateness {
  const late = counted.sorted(counted.sent(counted.calls), latenessOf)
  return {
    percentiles: PERCENTILES.map((share) => ({ share, ms: knownPercentile(late, share) })),
    maxMs: late.at(-1) ?? null,
  }
}

function setUpReports({ setUp }: Run): SetUpReport[] {
  return Array.from(setUp, ([way, { failed, ms }]) => {
    const spreads = Object.fromEntries(SET_UP_STEPS.map((step) => [step, spreadOf(ms[step])]))
    return { way, label: labelOf(way, way), failed, ...(spreads as Record<SetUpStep, Spread | null>) }
  })
}

function spreadOf(times: readonly number[]): Spread | null {
  const sorted = times.toSorted((a, b) => a - b)
  const [minMs] = sorted
  const maxMs = sorted.at(-1)
  if (minMs === undefined || maxMs === undefined) return null
  return { tries: sorted.length, medianMs: percentileOf(sorted, 0.5), minMs, maxMs }
}

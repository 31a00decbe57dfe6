/** Makes the report of what a run has measured. */
import { seededRandom } from '../../core/seeded-random.ts'
import { NOT_SENT, type Recording } from '../load/recording.ts'
import type { Run } from '../run.ts'
import type { BenchSettings } from '../settings.ts'
import { Resampled } from '../statistics/bootstrap.ts'
import { hasEnoughSamples, PERCENTILES, percentileOf } from '../statistics/percentiles.ts'
import { armReport } from './arm-report.ts'
import { compareArms } from './compare.ts'
import { conclusionsOf, limitsOf, worseOf, type Findings } from './conclusions.ts'
import { costReport } from './cost-report.ts'
import {
  callsOf,
  countedPart,
  latencyOf,
  samplesOf,
  serviceTimeOf,
  sortedValues,
  succeeded,
  type Counted,
} from './counted.ts'
import type { BenchReport, Lateness, Where } from './report.ts'
import { setUpReports } from './set-up-report.ts'

/** @param where without what the settings have */
export function buildReport(
  run: Run,
  settings: BenchSettings,
  where: Omit<Where, 'url' | 'fallback'>,
): BenchReport {
  const { arms, recording, zones, startedAt, wasInterrupted } = run
  const durationMs = settings.warmUpMs + settings.durationMs
  const counted = countedPart(recording, settings.warmUpMs, durationMs)
  const latency = resample(run, counted, settings.seed, latencyOf)
  const service = resample(run, counted, settings.seed, serviceTimeOf)
  const window = { from: startedAt + counted.cutMs, to: startedAt + counted.endMs }
  const reports = arms.map((arm, index) =>
    armReport({ arm, index, recording, counted, zones, window, latency, service }),
  )
  const lateness = latenessOf(recording, counted)
  // The baseline may be an arm that could not be called.
  const baseline = reports.find(({ name }) => name === settings.baseline) ?? reports[0]
  const comparisons = compareArms({ arms: reports, latency, lateness }, baseline?.name ?? settings.baseline)
  const setUp = setUpReports(run)
  const cost = costReport(reports, settings, where.zone)
  const findings: Findings = {
    arms: reports,
    comparisons,
    counted,
    cost,
    lateness,
    setUp,
    settings,
    wasInterrupted,
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
      seed: settings.seed,
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

function resample(
  { arms, recording }: Run,
  counted: Counted,
  seed: number,
  measure: (recording: Recording, call: number) => number,
): Resampled {
  const samples = arms.map((_, index) =>
    samplesOf(recording, counted, succeeded(recording, callsOf(recording, counted, index)), measure),
  )
  return new Resampled(samples, counted.blocks, PERCENTILES, seededRandom(seed))
}

function latenessOf(recording: Recording, { calls }: Counted): Lateness {
  const sent = calls.filter((call) => recording.outcome[call] !== NOT_SENT)
  const late = sortedValues(
    recording,
    sent,
    ({ sentMs, dueMs }, call) => (sentMs[call] ?? 0) - (dueMs[call] ?? 0),
  )
  return {
    percentiles: PERCENTILES.map((share) => ({
      share,
      ms: hasEnoughSamples(late.length, share) ? percentileOf(late, share) : null,
    })),
    maxMs: late.at(-1) ?? null,
  }
}

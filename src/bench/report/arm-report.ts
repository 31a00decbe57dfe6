import { isDirect, labelOf, type Arm } from '../arms/arm.ts'
import { NOT_SENT, SUCCEEDED } from '../load/recording.ts'
import type { Resampled } from '../statistics/bootstrap.ts'
import { hasEnoughSamples, knownPercentile, PERCENTILES, percentileOf } from '../statistics/percentiles.ts'
import { BLOCK_MS, latencyOf, type Counted } from './counted.ts'
import type { ArmReport, GroupReport, PercentileReport, Point, TimelinePoint } from './report.ts'

/** What the report of an arm is made of. */
export interface ArmData {
  readonly arm: Arm
  /** Of the arm, in the recording and in `latency` and `service`. */
  readonly index: number
  readonly counted: Counted
  readonly zones: ReadonlyMap<string, string>
  /** On the clock: when the counted part began and ended. */
  readonly window: { readonly from: number; readonly to: number }
  readonly latency: Resampled
  readonly service: Resampled
}

export function armReport(data: ArmData): ArmReport {
  const { arm, index, counted, window, latency, service, zones } = data
  const { meter } = arm
  const { recording } = counted
  const calls = counted.ofArm(index)
  const sent = counted.sent(calls)
  const good = counted.succeeded(calls)
  const sorted = counted.sorted(good, latencyOf)
  const sum = (column: Uint8Array, of: Uint32Array = calls): number =>
    of.reduce((total, call) => total + (column[call] ?? 0), 0)
  const hedges = sum(recording.hedges)
  return {
    name: arm.name,
    way: arm.way,
    label: labelOf(arm.name, arm.way),
    calls: calls.length,
    succeeded: good.length,
    notSent: calls.length - sent.length,
    failures: failuresOf(counted, calls),
    latency: percentilesOf(latency, index, good.length),
    maxMs: sorted.at(-1) ?? null,
    service: percentilesOf(service, index, good.length),
    retries: arm.client === undefined ? 0 : Math.max(0, sum(recording.attempts) - sent.length - hedges),
    hedges,
    fallbacks: isDirect(arm.way) ? sum(recording.fellBack, good) : 0,
    connections: {
      opened: meter.openedAt.filter((at) => at >= window.from && at < window.to).length,
      failed: meter.failed,
      peak: meter.peak,
    },
    bytes: bytesOf(data),
    byUpstream: groupsOf(data, good, (call) => recording.upstreamOf(call) ?? hostOf(arm)),
    byZone: groupsOf(data, good, (call) => zones.get(recording.upstreamOf(call) ?? '')),
    distribution: distributionOf(sorted),
    timeline: timelineOf(counted, calls),
  }
}

function percentilesOf(resampled: Resampled, arm: number, samples: number): PercentileReport[] {
  return PERCENTILES.map((share) =>
    hasEnoughSamples(samples, share)
      ? { share, ms: resampled.percentile(arm, share), interval: resampled.interval(arm, share) ?? null }
      : { share, ms: null, interval: null },
  )
}

function failuresOf({ recording }: Counted, calls: Uint32Array): ArmReport['failures'] {
  const failed = calls.filter((call) => recording.failureOf(call) !== undefined)
  const kinds = Map.groupBy(failed, (call) => recording.failureOf(call) ?? '')
  return Array.from(kinds, ([kind, { length }]) => ({ kind, calls: length })).toSorted(
    (a, b) => b.calls - a.calls,
  )
}

/** Over the whole run: connections do not know which of their bytes came after the cut. */
function bytesOf({ arm, index, counted: { recording } }: ArmData): ArmReport['bytes'] {
  const { read, written } = arm.meter.traffic()
  let sent = 0
  for (let call = 0; call < recording.count; call++)
    if (recording.arm[call] === index && recording.outcome[call] !== NOT_SENT) sent++
  return { read, written, perCall: sent === 0 ? null : (read + written) / sent }
}

function hostOf({ target }: Arm): string {
  return new URL(String(target.request.origin)).host
}

/** @param keyOf the group of a call; undefined: none */
function groupsOf(
  { counted, zones }: ArmData,
  calls: Uint32Array,
  keyOf: (call: number) => string | undefined,
): GroupReport[] {
  const groups = Map.groupBy(calls, keyOf)
  return [...groups]
    .flatMap(([name, members]): GroupReport[] => {
      if (name === undefined) return []
      const sorted = counted.sorted(members, latencyOf)
      return [
        {
          name,
          zone: zones.get(name) ?? null,
          calls: members.length,
          share: members.length / calls.length,
          p50Ms: knownPercentile(sorted, 0.5),
          p99Ms: knownPercentile(sorted, 0.99),
        },
      ]
    })
    .toSorted((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }))
}

const POINTS_PER_DECADE = 20

/** Points that are evenly spaced on the scale of the plot: 1 − share, logarithmically. */
function distributionOf(sorted: Float64Array): Point[] {
  const points: Point[] = []
  const decades = Math.log10(sorted.length)
  for (let step = 0; step <= decades * POINTS_PER_DECADE; step++) {
    const share = 1 - 10 ** (-step / POINTS_PER_DECADE)
    points.push({ share, ms: percentileOf(sorted, share) })
  }
  return points
}

const MAX_BUCKETS = 100

function timelineOf(counted: Counted, calls: Uint32Array): TimelinePoint[] {
  const { recording, cutMs, blocks } = counted
  const blocksPerBucket = Math.max(1, Math.ceil(blocks / MAX_BUCKETS))
  const bucketMs = blocksPerBucket * BLOCK_MS
  const buckets = Map.groupBy(calls, (call) => Math.floor(((recording.dueMs[call] ?? 0) - cutMs) / bucketMs))
  return Array.from({ length: Math.ceil(blocks / blocksPerBucket) }, (_, index) => {
    const due = buckets.get(index) ?? []
    const good = due.filter((call) => recording.outcome[call] === SUCCEEDED)
    const sorted = counted.sorted(good, latencyOf)
    return {
      startMs: cutMs + index * bucketMs,
      p50Ms: sorted.length === 0 ? null : percentileOf(sorted, 0.5),
      maxMs: sorted.at(-1) ?? null,
      calls: due.length,
      failed: due.length - good.length,
    }
  })
}

import type { Arm } from '../arms/arm.ts'
import { isDirect } from '../arms/arm.ts'
import { NOT_SENT, SUCCEEDED, type Recording } from '../load/recording.ts'
import type { Resampled } from '../statistics/bootstrap.ts'
import { hasEnoughSamples, PERCENTILES, percentileOf } from '../statistics/percentiles.ts'
import { BLOCK_MS, callsOf, latencyOf, sortedValues, succeeded, type Counted } from './counted.ts'
import { labelOf } from './labels.ts'
import type { ArmReport, GroupReport, PercentileReport, Point, TimelinePoint } from './report.ts'

/** What the report of an arm is made of. */
export interface ArmData {
  readonly arm: Arm
  /** Of the arm, in the recording and in `latency` and `service`. */
  readonly index: number
  readonly recording: Recording
  readonly counted: Counted
  readonly zones: ReadonlyMap<string, string>
  /** On the clock: when the counted part began and ended. */
  readonly window: { readonly from: number; readonly to: number }
  readonly latency: Resampled
  readonly service: Resampled
}

export function armReport(data: ArmData): ArmReport {
  const { arm, index, recording, counted, window, latency, service } = data
  const { meter } = arm
  const calls = callsOf(recording, counted, index)
  const good = succeeded(recording, calls)
  const sorted = sortedValues(recording, good, latencyOf)
  const sum = (column: Uint8Array, of: Uint32Array = calls): number =>
    of.reduce((total, call) => total + (column[call] ?? 0), 0)
  const sent = calls.filter((call) => recording.outcome[call] !== NOT_SENT)
  const attempts = sum(recording.attempts)
  const hedges = sum(recording.hedges)
  return {
    name: arm.name,
    way: arm.way,
    label: labelOf(arm.name, arm.way),
    calls: calls.length,
    succeeded: good.length,
    notSent: calls.length - sent.length,
    failures: failuresOf(recording, calls),
    latency: percentilesOf(latency, index, good.length),
    maxMs: sorted.at(-1) ?? null,
    service: percentilesOf(service, index, good.length),
    retries: arm.client === undefined ? 0 : Math.max(0, attempts - sent.length - hedges),
    hedges,
    fallbacks: isDirect(arm.way) ? sum(recording.fellBack, good) : 0,
    connections: {
      opened: meter.openedAt.filter((at) => at >= window.from && at < window.to).length,
      failed: meter.failed,
      peak: meter.peak,
    },
    bytes: bytesOf(arm, recording, index),
    byUpstream: groupsOf(data, good, (call) => recording.upstreamOf(call) ?? hostOf(arm)),
    byZone: groupsOf(data, good, (call) => data.zones.get(recording.upstreamOf(call) ?? '')),
    distribution: distributionOf(sorted),
    timeline: timelineOf(recording, counted, calls),
  }
}

function percentilesOf(resampled: Resampled, arm: number, samples: number): PercentileReport[] {
  return PERCENTILES.map((share) =>
    hasEnoughSamples(samples, share)
      ? { share, ms: resampled.percentile(arm, share), interval: resampled.interval(arm, share) ?? null }
      : { share, ms: null, interval: null },
  )
}

function failuresOf(recording: Recording, calls: Uint32Array): { kind: string; calls: number }[] {
  const counts = new Map<string, number>()
  for (const call of calls) {
    const kind = recording.failureOf(call)
    if (kind !== undefined) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  }
  return [...counts].map(([kind, times]) => ({ kind, calls: times })).toSorted((a, b) => b.calls - a.calls)
}

/** Over the whole run: connections do not know which of their bytes came after the cut. */
function bytesOf({ meter }: Arm, recording: Recording, index: number): ArmReport['bytes'] {
  let read = 0
  let written = 0
  for (const traffic of meter.traffic().values()) {
    read += traffic.read
    written += traffic.written
  }
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
  { recording, zones }: ArmData,
  calls: Uint32Array,
  keyOf: (call: number) => string | undefined,
): GroupReport[] {
  const groups = new Map<string, number[]>()
  for (const call of calls) {
    const key = keyOf(call)
    if (key === undefined) continue
    const group = groups.get(key) ?? []
    groups.set(key, group)
    group.push(latencyOf(recording, call))
  }
  return [...groups]
    .map(([name, values]) => {
      const sorted = Float64Array.from(values).toSorted()
      const at = (share: number): number | null =>
        hasEnoughSamples(sorted.length, share) ? percentileOf(sorted, share) : null
      const share = sorted.length / calls.length
      return {
        name,
        zone: zones.get(name) ?? null,
        calls: sorted.length,
        share,
        p50Ms: at(0.5),
        p99Ms: at(0.99),
      }
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

function timelineOf(recording: Recording, { cutMs, blocks }: Counted, calls: Uint32Array): TimelinePoint[] {
  const blocksPerBucket = Math.max(1, Math.ceil(blocks / MAX_BUCKETS))
  const bucketMs = blocksPerBucket * BLOCK_MS
  const buckets = Array.from({ length: Math.ceil(blocks / blocksPerBucket) }, () => ({
    values: [] as number[],
    failed: 0,
  }))
  for (const call of calls) {
    const bucket = buckets[Math.floor(((recording.dueMs[call] ?? 0) - cutMs) / bucketMs)]
    if (recording.outcome[call] === SUCCEEDED) bucket?.values.push(latencyOf(recording, call))
    else if (bucket !== undefined) bucket.failed++
  }
  return buckets.map(({ values, failed }, index) => {
    const sorted = Float64Array.from(values).toSorted()
    return {
      startMs: cutMs + index * bucketMs,
      p50Ms: sorted.length === 0 ? null : percentileOf(sorted, 0.5),
      maxMs: sorted.at(-1) ?? null,
      calls: values.length + failed,
      failed,
    }
  })
}

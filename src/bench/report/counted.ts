/** The part of a recording that counts, and its samples by arm. */
import { SUCCEEDED, type Recording } from '../load/recording.ts'
import type { ArmSamples } from '../statistics/bootstrap.ts'
import { percentileOf } from '../statistics/percentiles.ts'
import { warmUpOf } from '../statistics/warm-up.ts'

export const BLOCK_MS = 1_000

/** From the cut to the last whole block. */
export interface Counted {
  readonly cutMs: number
  readonly endMs: number
  readonly blocks: number
  readonly hasSettled: boolean
  /** Calls that failed or were not sent in what the rule for the warm-up cut: they must not go unseen. */
  readonly lostInCut: number
  /** Indexes of calls that were due in it, in order. */
  readonly calls: Uint32Array
}

/** @param warmUpMs is cut in any case, the rest by {@link warmUpOf} over the medians of blocks */
export function countedPart(recording: Recording, warmUpMs: number, durationMs: number): Counted {
  const { count, dueMs } = recording
  // Of an interrupted run, what was due until then.
  const lastMs = count === dueMs.length ? durationMs : (dueMs[count - 1] ?? 0)
  const warmBlocks = wholeBlocks(warmUpMs, lastMs)
  const { blocks: cut, hasSettled } = warmUpOf(blockMedians(recording, warmUpMs, warmBlocks))
  const cutMs = Math.min(lastMs, warmUpMs + cut * BLOCK_MS)
  const blocks = wholeBlocks(cutMs, lastMs)
  const endMs = cutMs + blocks * BLOCK_MS
  const calls: number[] = []
  let lostInCut = 0
  for (let call = 0; call < count; call++) {
    const due = dueMs[call] ?? 0
    if (due >= cutMs && due < endMs) calls.push(call)
    if (due >= warmUpMs && due < cutMs && recording.outcome[call] !== SUCCEEDED) lostInCut++
  }
  return { cutMs, endMs, blocks, hasSettled, lostInCut, calls: Uint32Array.from(calls) }
}

function wholeBlocks(fromMs: number, toMs: number): number {
  return Math.max(0, Math.floor((toMs - fromMs) / BLOCK_MS))
}

function blockMedians(recording: Recording, fromMs: number, blocks: number): number[] {
  const values: number[][] = Array.from({ length: blocks }, () => [])
  for (let call = 0; call < recording.count; call++) {
    if (recording.outcome[call] !== SUCCEEDED) continue
    const block = Math.floor(((recording.dueMs[call] ?? 0) - fromMs) / BLOCK_MS)
    values[block]?.push(latencyOf(recording, call))
  }
  return values.map((block) => percentileOf(Float64Array.from(block).toSorted(), 0.5))
}

/** From when it was due to the last byte. */
export function latencyOf(recording: Recording, call: number): number {
  return (recording.endMs[call] ?? 0) - (recording.dueMs[call] ?? 0)
}

/** From when it was sent to the last byte. */
export function serviceTimeOf(recording: Recording, call: number): number {
  return (recording.endMs[call] ?? 0) - (recording.sentMs[call] ?? 0)
}

/** The calls of one arm that count. */
export function callsOf(recording: Recording, { calls }: Counted, arm: number): Uint32Array {
  return calls.filter((call) => recording.arm[call] === arm)
}

/** Those that succeeded: a call that failed has no latency. */
export function succeeded(recording: Recording, calls: Uint32Array): Uint32Array {
  return calls.filter((call) => recording.outcome[call] === SUCCEEDED)
}

/** @param measure of a call, in ms */
export function samplesOf(
  recording: Recording,
  { cutMs }: Counted,
  calls: Uint32Array,
  measure: (recording: Recording, call: number) => number,
): ArmSamples {
  return {
    values: Float64Array.from(calls, (call) => measure(recording, call)),
    blocks: Uint32Array.from(calls, (call) => Math.floor(((recording.dueMs[call] ?? 0) - cutMs) / BLOCK_MS)),
  }
}

export function sortedValues(
  recording: Recording,
  calls: Uint32Array,
  measure: (recording: Recording, call: number) => number,
): Float64Array {
  return Float64Array.from(calls, (call) => measure(recording, call)).toSorted()
}

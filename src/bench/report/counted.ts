/** The part of a recording that counts, and its samples by arm. */
import { NOT_SENT, SUCCEEDED, type Recording } from '../load/recording.ts'
import type { ArmSamples } from '../statistics/bootstrap.ts'
import { percentileOf } from '../statistics/percentiles.ts'
import { warmUpOf } from '../statistics/warm-up.ts'

export const BLOCK_MS = 1_000

/** Of a call, in ms. */
export type TimeOf = (recording: Recording, call: number) => number

/** From when it was due to the last byte. */
export const latencyOf: TimeOf = ({ endMs, dueMs }, call) => (endMs[call] ?? 0) - (dueMs[call] ?? 0)

/** From when it was sent to the last byte. */
export const serviceTimeOf: TimeOf = ({ endMs, sentMs }, call) => (endMs[call] ?? 0) - (sentMs[call] ?? 0)

/** From when it was due to when it was sent. */
export const latenessOf: TimeOf = ({ sentMs, dueMs }, call) => (sentMs[call] ?? 0) - (dueMs[call] ?? 0)

/** From the cut to the last whole block. */
export class Counted {
  readonly recording: Recording
  readonly cutMs: number
  readonly endMs: number
  readonly blocks: number
  readonly hasSettled: boolean
  /** Calls that failed or were not sent in what the rule for the warm-up cut: they must not go unseen. */
  readonly lostInCut: number
  /** Indexes of calls that were due in it, in order. */
  readonly calls: Uint32Array

  /** @param warmUpMs is cut in any case, the rest by {@link warmUpOf} over the medians of blocks */
  constructor(recording: Recording, warmUpMs: number, durationMs: number) {
    const { count, dueMs } = recording
    // Of an interrupted run, what was due until then.
    const lastMs = count === dueMs.length ? durationMs : (dueMs[count - 1] ?? 0)
    const warmUp = warmUpOf(blockMedians(recording, warmUpMs, wholeBlocks(warmUpMs, lastMs)))
    this.recording = recording
    this.hasSettled = warmUp.hasSettled
    this.cutMs = Math.min(lastMs, warmUpMs + warmUp.blocks * BLOCK_MS)
    this.blocks = wholeBlocks(this.cutMs, lastMs)
    this.endMs = this.cutMs + this.blocks * BLOCK_MS
    const calls: number[] = []
    let lostInCut = 0
    for (let call = 0; call < count; call++) {
      const due = dueMs[call] ?? 0
      if (due >= this.cutMs && due < this.endMs) calls.push(call)
      if (due >= warmUpMs && due < this.cutMs && recording.outcome[call] !== SUCCEEDED) lostInCut++
    }
    this.lostInCut = lostInCut
    this.calls = Uint32Array.from(calls)
  }

  /** The calls of one arm. */
  ofArm(arm: number): Uint32Array {
    return this.calls.filter((call) => this.recording.arm[call] === arm)
  }

  sent(calls: Uint32Array): Uint32Array {
    return calls.filter((call) => this.recording.outcome[call] !== NOT_SENT)
  }

  /** A call that failed has no latency. */
  succeeded(calls: Uint32Array): Uint32Array {
    return calls.filter((call) => this.recording.outcome[call] === SUCCEEDED)
  }

  /** Those of one arm that succeeded. */
  samples(arm: number, timeOf: TimeOf): ArmSamples {
    const calls = this.succeeded(this.ofArm(arm))
    const { dueMs } = this.recording
    return {
      values: Float64Array.from(calls, (call) => timeOf(this.recording, call)),
      blocks: Uint32Array.from(calls, (call) => Math.floor(((dueMs[call] ?? 0) - this.cutMs) / BLOCK_MS)),
    }
  }

  /** In ascending order. */
  sorted(calls: ArrayLike<number>, timeOf: TimeOf): Float64Array {
    return Float64Array.from(calls, (call) => timeOf(this.recording, call)).toSorted()
  }
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

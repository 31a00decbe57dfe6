import type { Schedule } from './schedule.ts'

/** How a call ended; 0 while it is under way. From `FIRST_FAILURE` on, the index of a kind of failure is added. */
export const SUCCEEDED = 1
/** The cap of calls in flight was reached when it was due. */
export const NOT_SENT = 2
const FIRST_FAILURE = 3

/** Every call of a run, one column for each fact. Nothing is corrected or summed up here. */
export class Recording {
  /** In ms since the start. */
  readonly dueMs: Float64Array
  readonly arm: Uint8Array
  readonly sentMs: Float64Array
  /** When the last byte of the response came, or the failure. */
  readonly endMs: Float64Array
  readonly outcome: Uint16Array
  /** Index into `upstreams`, plus 1; 0: not known. */
  readonly upstream: Uint16Array
  /** Attempts that were begun, by clients that report them. */
  readonly attempts: Uint8Array
  /** Second attempts beside a slow one. */
  readonly hedges: Uint8Array
  /** 1: an attempt went to the load balancer. */
  readonly fellBack: Uint8Array
  /** `10.0.11.42:8080`, each once. */
  readonly upstreams: string[] = []
  /** `status 503`, `timeout`, `ECONNREFUSED`, each once. */
  readonly failures: string[] = []
  /** How many calls were due: fewer than the schedule has after an interruption. */
  count = 0

  constructor({ dueMs, arm }: Schedule) {
    const size = dueMs.length
    this.dueMs = dueMs
    this.arm = arm
    this.sentMs = new Float64Array(size)
    this.endMs = new Float64Array(size)
    this.outcome = new Uint16Array(size)
    this.upstream = new Uint16Array(size)
    this.attempts = new Uint8Array(size)
    this.hedges = new Uint8Array(size)
    this.fellBack = new Uint8Array(size)
  }

  setUpstream(call: number, label: string): void {
    this.upstream[call] = indexIn(this.upstreams, label) + 1
  }

  upstreamOf(call: number): string | undefined {
    return this.upstreams[(this.upstream[call] ?? 0) - 1]
  }

  setFailure(call: number, kind: string): void {
    this.outcome[call] = indexIn(this.failures, kind) + FIRST_FAILURE
  }

  /** undefined for a call that did not fail. */
  failureOf(call: number): string | undefined {
    return this.failures[(this.outcome[call] ?? 0) - FIRST_FAILURE]
  }
}

/** Few are different, and the same ones come again and again. */
function indexIn(list: string[], text: string): number {
  const index = list.indexOf(text)
  return index === -1 ? list.push(text) - 1 : index
}

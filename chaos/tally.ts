import { AttemptsExhaustedError } from 'onehop'
import { percentileOf } from '../src/bench/statistics/percentiles.ts'

/** The three ways in which a caller may ask: sent again at will, never once sent, at will by its key. */
export type Kind = 'GET' | 'POST' | 'POST+key'

export const KINDS: readonly Kind[] = ['GET', 'POST', 'POST+key']

export interface Failure {
  readonly kind: Kind
  /** When the call was due, in ms since the fault began; just before it, if it was under way then. */
  readonly at: number
  readonly latencyMs: number
  readonly error: Error
}

/** Whether a task may have begun to process the call. */
export function wasInFlight({ error }: Failure): boolean {
  return (
    error instanceof AttemptsExhaustedError &&
    error.attempts.some(({ outcome }) => outcome.kind === 'transport-error' && outcome.sent)
  )
}

/** What became of the calls that were not over when the fault began. */
export class Tally {
  readonly failures: Failure[] = []
  readonly #latencies: number[] = []
  readonly #calls = new Map<Kind, number>()

  succeeded(kind: Kind, latencyMs: number): void {
    this.#add(kind, latencyMs)
  }

  failed(failure: Failure): void {
    this.#add(failure.kind, failure.latencyMs)
    this.failures.push(failure)
  }

  /** Of that kind, or of all. */
  calls(kind?: Kind): number {
    if (kind !== undefined) return this.#calls.get(kind) ?? 0
    return this.#latencies.length
  }

  failedOf(kind: Kind): readonly Failure[] {
    return this.failures.filter((failure) => failure.kind === kind)
  }

  /** Of failed calls, too: who waited a second for nothing has waited. @param share 0.99 for p99 */
  latencyMs(share: number): number {
    if (this.#latencies.length === 0) return 0
    return percentileOf(Float64Array.from(this.#latencies).toSorted(), share)
  }

  #add(kind: Kind, latencyMs: number): void {
    this.#latencies.push(latencyMs)
    this.#calls.set(kind, (this.#calls.get(kind) ?? 0) + 1)
  }
}

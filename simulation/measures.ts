/** The results of a run. */
import type { Server } from './task.ts'

export interface Totals {
  readonly calls: number
  /** Share of the calls that were answered in time with a status below 500. */
  readonly success: number
  /** From the start of the call to its result, in ms; failed calls included. */
  readonly p50: number
  readonly p99: number
  readonly p999: number
  /** Attempts per call. */
  readonly attempts: number
  /** Smallest and largest share of attempts of a task, as a multiple of its fair share. */
  readonly least: number
  readonly most: number
  /** Standard deviation of the tasks' attempts ÷ their mean. */
  readonly deviation: number
  /** Share of the attempts that stayed in the client's zone. */
  readonly local: number
}

/** One second of a run. */
export interface Second {
  readonly at: number
  readonly calls: number
  readonly failed: number
  readonly p99: number
  /** Attempts by address. */
  readonly attempts: ReadonlyMap<string, number>
  /** Mean of the share of calls that clients send to tasks directly. */
  readonly directShare: number
}

export interface Outcome {
  /** Without the warm-up. */
  readonly totals: Totals
  /** From the start of the warm-up. */
  readonly seconds: readonly Second[]
}

/** Collects calls as they end, and attempts as they begin. */
export class Measures {
  readonly #servers: readonly Server[]
  readonly #seconds: Second[] = []
  /** Of finished calls, in the order of their end. */
  readonly #begunAt: number[] = []
  readonly #latencies: number[] = []
  readonly #failures: boolean[] = []
  #begun = 0
  #secondFrom = 0
  #countedAtWarm = new Map<string, number>()
  #countedAtSecond = new Map<string, number>()
  #warmAt = 0
  #attempts = 0
  #local = 0

  constructor(servers: readonly Server[]) {
    this.#servers = servers
  }

  /** Calls that have not ended. */
  get underWay(): number {
    return this.#begun - this.#latencies.length
  }

  begun(): void {
    this.#begun++
  }

  ended(begunAt: number, latencyMs: number, status: number): void {
    this.#begunAt.push(begunAt)
    this.#latencies.push(latencyMs)
    this.#failures.push(status === 0 || status >= 500)
  }

  /** An attempt begins. */
  sent(isLocal: boolean): void {
    this.#attempts++
    if (isLocal) this.#local++
  }

  /** Earlier calls do not count for the totals. */
  warm(now: number): void {
    this.#attempts = 0
    this.#local = 0
    this.#warmAt = now
    this.#countedAtWarm = this.#counted()
  }

  second(at: number, directShare: number): void {
    const counted = this.#counted()
    const attempts = new Map<string, number>()
    for (const [address, count] of counted)
      attempts.set(address, count - (this.#countedAtSecond.get(address) ?? 0))
    const latencies = sorted(this.#latencies.slice(this.#secondFrom))
    this.#seconds.push({
      at,
      calls: latencies.length,
      failed: this.#failures.slice(this.#secondFrom).filter(Boolean).length,
      p99: quantile(latencies, 0.99),
      attempts,
      directShare,
    })
    this.#secondFrom = this.#latencies.length
    this.#countedAtSecond = counted
  }

  outcome(): Outcome {
    const isCounted = (_: unknown, call: number): boolean => (this.#begunAt[call] ?? 0) >= this.#warmAt
    const latencies = sorted(this.#latencies.filter(isCounted))
    const failed = this.#failures.filter(isCounted).filter(Boolean).length
    const counts = Array.from(this.#counted(), ([address, count]) => ({
      address,
      count: count - (this.#countedAtWarm.get(address) ?? 0),
    }))
    const all = counts.reduce((sum, { count }) => sum + count, 0)
    // Attempts include those to the load balancer, which has no fair share.
    const tasks = counts.filter(({ address }) => /^\d/.test(address)).map(({ count }) => count)
    const mean = tasks.reduce((sum, count) => sum + count, 0) / tasks.length
    const squares = tasks.reduce((sum, count) => sum + (count - mean) ** 2, 0) / tasks.length
    return {
      totals: {
        calls: latencies.length,
        success: 1 - failed / latencies.length,
        p50: quantile(latencies, 0.5),
        p99: quantile(latencies, 0.99),
        p999: quantile(latencies, 0.999),
        attempts: all / latencies.length,
        least: Math.min(...tasks) / mean,
        most: Math.max(...tasks) / mean,
        deviation: Math.sqrt(squares) / mean,
        local: this.#local / this.#attempts,
      },
      seconds: this.#seconds,
    }
  }

  #counted(): Map<string, number> {
    return new Map(this.#servers.map(({ endpoint, received }) => [endpoint.address, received]))
  }
}

function sorted(values: readonly number[]): Float64Array {
  return Float64Array.from(values).toSorted()
}

function quantile(values: Float64Array, share: number): number {
  return values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? Number.NaN
}

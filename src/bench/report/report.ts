/**
 * The report of a run: plain JSON, which `--json` prints and the terminal and HTML pages show. Times are in ms, null is what
 * this run cannot say. docs/bench.md describes how to read it.
 */
import type { ArmName, Way } from '../arms/arm.ts'
import type { SetUpStep } from '../arms/set-up.ts'
import type { Cost } from '../cost/cost.ts'
import type { Arrivals } from '../load/schedule.ts'
import type { Interval } from '../statistics/bootstrap.ts'
import type { Verdict } from '../statistics/verdict.ts'

export interface BenchReport {
  /** Of this format. It grows when a field changes its meaning. */
  readonly format: 1
  readonly title: string
  /** What a reader has to know first. */
  readonly notices: readonly string[]
  /** The answer, one sentence each. */
  readonly conclusions: readonly string[]
  readonly where: Where
  readonly load: LoadReport
  readonly arms: readonly ArmReport[]
  readonly comparisons: readonly Comparison[]
  readonly lateness: Lateness
  readonly setUp: readonly SetUpReport[]
  readonly cost: Cost
  /** What is worse on the direct path. */
  readonly worse: readonly string[]
  /** What this run cannot tell. */
  readonly limits: readonly string[]
  readonly assertions: readonly AssertionResult[]
  /** Repeats the run. Values of headers and bodies are not shown. */
  readonly command: string
}

export interface Where {
  /** ISO 8601. */
  readonly startedAt: string
  readonly url: string
  readonly fallback: string | null
  readonly onehop: string
  readonly node: string
  readonly platform: string
  readonly cpus: number
  /** `shop/bench/0123abcd` and its zone; null outside of ECS. */
  readonly task: string | null
  readonly zone: string | null
}

export interface LoadReport {
  readonly method: string
  readonly arrivals: Arrivals
  readonly perSecond: number
  readonly seed: number
  /** From the first call to the last. */
  readonly durationMs: number
  /** Cut off: the warm-up, and what the rule for it cut further. */
  readonly cutMs: number
  /** false: latencies were still changing in the second half. */
  readonly hasSettled: boolean
  /** Blocks of one second that count. */
  readonly blocks: number
  readonly calls: number
  readonly maxInFlight: number
  readonly timeoutMs: number
  readonly wasInterrupted: boolean
}

/** One arm, after the cut. */
export interface ArmReport {
  readonly name: ArmName
  readonly way: Way
  readonly label: string
  /** Calls that were due. */
  readonly calls: number
  readonly succeeded: number
  /** By the cap of calls in flight. */
  readonly notSent: number
  readonly failures: readonly { readonly kind: string; readonly calls: number }[]
  /** From when a call was due to the last byte. */
  readonly latency: readonly PercentileReport[]
  readonly maxMs: number | null
  /** From when a call was sent to the last byte. */
  readonly service: readonly PercentileReport[]
  readonly retries: number
  readonly hedges: number
  /** Calls of a direct arm that the load balancer answered. */
  readonly fallbacks: number
  readonly connections: { readonly opened: number; readonly failed: number; readonly peak: number }
  /** On the wire, over the whole run. */
  readonly bytes: { readonly read: number; readonly written: number; readonly perCall: number | null }
  readonly byUpstream: readonly GroupReport[]
  readonly byZone: readonly GroupReport[]
  /** Latency by the share of calls that were at most as slow, for the plot. */
  readonly distribution: readonly Point[]
  readonly timeline: readonly TimelinePoint[]
}

export interface PercentileReport {
  /** 0.99 is p99. */
  readonly share: number
  /** null: fewer than 100 samples beyond it. */
  readonly ms: number | null
  readonly interval: Interval | null
}

/** The calls of one task or zone. */
export interface GroupReport {
  readonly name: string
  readonly zone: string | null
  readonly calls: number
  readonly share: number
  readonly p50Ms: number | null
  readonly p99Ms: number | null
}

export interface Point {
  readonly share: number
  readonly ms: number
}

export interface TimelinePoint {
  readonly startMs: number
  readonly p50Ms: number | null
  /** The slowest call: a bucket has too few calls for a p99. */
  readonly maxMs: number | null
  readonly calls: number
  readonly failed: number
}

/** One arm minus another. */
export interface Comparison {
  readonly arm: ArmName
  readonly baseline: ArmName
  /** A second copy against the first: there must be no difference. */
  readonly isControl: boolean
  readonly percentiles: readonly Difference[]
}

export interface Difference {
  readonly share: number
  readonly differenceMs: number | null
  /** Holds the true difference in 95 of 100 runs. */
  readonly interval: Interval | null
  readonly verdict: Verdict
  /** The verdict in words. */
  readonly sentence: string
}

/** How much later than due the generator sent. */
export interface Lateness {
  readonly percentiles: readonly { readonly share: number; readonly ms: number | null }[]
  readonly maxMs: number | null
}

export interface SetUpReport extends Readonly<Record<SetUpStep, Spread | null>> {
  readonly way: Way
  readonly label: string
  readonly failed: number
}

/** Of a few tries, too few for more than a median. */
export interface Spread {
  readonly tries: number
  readonly medianMs: number
  readonly minMs: number
  readonly maxMs: number
}

export interface AssertionResult {
  readonly text: string
  /** null: a value that it needs is one that this run cannot tell. */
  readonly holds: boolean | null
  /** `p99(direct) = 12.3 ms, p99(fallback) = 13.1 ms` */
  readonly values: string
}

import { RollingWindow } from '../../core/rolling-window.ts'

/** Counts the last 20 to 30 s: two full slots and the current one. */
const SLOTS = 3
const SLOT_MS = 10_000
/** Each bucket is 5 % wider than the one before: so exact are the answers. */
const GROWTH = Math.log(1.05)
const MIN_LATENCY_MS = 0.1
/** Longer latencies count as this. */
const MAX_LATENCY_MS = 180_000
const BUCKETS = 1 + Math.ceil(Math.log(MAX_LATENCY_MS / MIN_LATENCY_MS) / GROWTH)
/** Counts all latencies; the buckets are the counters below. */
const ALL = BUCKETS

/**
 * How long recent calls took, in buckets: no single latency is kept. Time is an argument and must not go back.
 *
 * Not `perf_hooks.createHistogram`, which forgets nothing unless it is reset as a whole.
 */
export class LatencyHistogram {
  readonly #window: RollingWindow

  constructor(now: number) {
    this.#window = new RollingWindow(SLOTS, SLOT_MS, BUCKETS + 1, now)
  }

  /** A call took this long. */
  observe(latencyMs: number, now: number): void {
    const bucket = Math.ceil(Math.log(Math.max(latencyMs, MIN_LATENCY_MS) / MIN_LATENCY_MS) / GROWTH)
    this.#window.add(Math.min(bucket, BUCKETS - 1), now)
    this.#window.add(ALL, now)
  }

  /** Latencies in the window. */
  count(now: number): number {
    return this.#window.total(ALL, now)
  }

  /**
   * The latency, to 5 %, that a share of the calls did not exceed.
   * @param share from 0 to 1
   * @returns 0 without calls
   */
  quantile(share: number, now: number): number {
    const totals = this.#window.totals(now)
    const rank = share * (totals[ALL] ?? 0)
    let seen = 0
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      seen += totals[bucket] ?? 0
      if (seen > 0 && seen >= rank) return MIN_LATENCY_MS * Math.exp(bucket * GROWTH)
    }
    return 0
  }
}

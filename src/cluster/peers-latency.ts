import type { Upstream } from './upstream.ts'

/** The median of 1,000 estimates takes about 100 µs: cheap once a second, and often enough to follow a fleet. */
const UPDATE_INTERVAL_MS = 1_000

/** Median latency estimate of a service's tasks: the estimate of a new task, and where estimates without samples drift. */
export class PeersLatency {
  #ms = 0
  #updatedAt = Number.NEGATIVE_INFINITY

  /** 0: unknown. */
  get ms(): number {
    return this.#ms
  }

  /** Computes the median and passes it to the tasks, at most once a second. */
  update(tasks: readonly Upstream[], now: number): void {
    if (now - this.#updatedAt <= UPDATE_INTERVAL_MS) return
    this.#updatedAt = now
    const estimates = tasks
      .filter((upstream) => upstream.latency.hasSamples)
      .map((upstream) => upstream.latencyMs(now))
      .toSorted((a, b) => a - b)
    this.#ms = estimates[Math.floor((estimates.length - 1) / 2)] ?? 0
    for (const upstream of tasks) upstream.latency.updatePeers(this.#ms)
  }
}

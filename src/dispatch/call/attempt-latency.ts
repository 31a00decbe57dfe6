import type { LoopLag } from '../../core/loop-lag.ts'

/** How long one attempt waited for its upstream, in ms: without the waits that this process caused itself. */
export class AttemptLatency {
  /** When the attempt began, on the clock. */
  readonly startedAt: number
  /** When undici began to send it, on the clock: usually at once. */
  takenUpAt: number
  /** Since when only the upstream is waited for, on the clock. */
  #countedFrom: number
  /** How much of the time before `takenUpAt` this process was busy. */
  #lateMs = 0

  constructor(startedAt: number) {
    this.startedAt = startedAt
    this.takenUpAt = startedAt
    this.#countedFrom = startedAt
  }

  /** It leaves the queue for a connection, or its response is the next one on its connection. */
  countFrom(now: number): void {
    this.#countedFrom = now
  }

  /** undici begins to send it, later than it was dispatched. */
  takenUp(now: number, lag: Pick<LoopLag, 'at'>): void {
    this.takenUpAt = now
    this.#lateMs = Math.min(lag.at(now), now - this.#countedFrom)
  }

  /** It has its connection. Waiting for one was not the upstream's time. */
  connected(): void {
    this.#countedFrom = this.takenUpAt
    this.#lateMs = 0
  }

  /** Time that the upstream has taken until `now`. */
  elapsedMs(now: number, lag: Pick<LoopLag, 'at'>): number {
    const lateMs = this.#lateMs + Math.min(lag.at(now), now - this.takenUpAt)
    return now - this.#countedFrom - lateMs
  }
}

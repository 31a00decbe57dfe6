import type { Clock, Timer } from '../../core/clock.ts'

/** Bytes that are read at most. A new connection is cheaper than more. */
const MAX_DRAIN_BYTES = 65_536
/** How long the rest may take. */
const MAX_DRAIN_MS = 1_000

/** Reads the rest of a response that the caller does not get, so that its connection can be used again. */
export class DrainResponse {
  readonly #onTooMuch: () => void
  readonly #timer: Timer
  #bytes = 0

  /** @param onTooMuch called when the rest is too long or too slow; perhaps more than once */
  constructor(clock: Clock, onTooMuch: () => void) {
    this.#onTooMuch = onTooMuch
    this.#timer = clock.setTimer(onTooMuch, MAX_DRAIN_MS)
  }

  /** Part of the rest. */
  pass(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > MAX_DRAIN_BYTES) this.#onTooMuch()
  }

  /** Frees the timer. */
  end(): void {
    this.#timer.cancel()
  }
}

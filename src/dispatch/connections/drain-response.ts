import type { Clock, Timer } from '../../core/clock.ts'

/** How long it is waited for. */
const LONGEST_MS = 1_000

/**
 * What is left of a response that is not handed on: read so that its connection can be used again, up to where that
 * costs more than to open another.
 */
export class DrainResponse {
  readonly #maxBytes: number
  readonly #onTooMuch: () => void
  readonly #timer: Timer
  #bytes = 0

  /** @param onTooMuch called when it is too long, or takes too long; perhaps more than once */
  constructor(clock: Clock, maxBytes: number, onTooMuch: () => void) {
    this.#maxBytes = maxBytes
    this.#onTooMuch = onTooMuch
    this.#timer = clock.setTimer(onTooMuch, LONGEST_MS)
  }

  pass(chunk: Buffer): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#maxBytes) this.#onTooMuch()
  }

  end(): void {
    this.#timer.cancel()
  }
}

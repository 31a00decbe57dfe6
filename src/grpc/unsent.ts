import { afterMs } from '../core/async/connect-limit.ts'
import type { Attempt } from './attempt.ts'

/** How long the credentials of a call may take. An attempt that is sent later is not counted. */
const MAX_UNSENT_MS = 10_000

/**
 * Attempts that were picked and not sent. Usually that takes no time. A call with credentials of its own waits for them, and
 * if it ends meanwhile, grpc-js reports nothing: its lease would be held for ever.
 */
export class Unsent {
  readonly #attempts = new Set<Attempt>()
  #isSweeping = false

  add(attempt: Attempt): void {
    this.#attempts.add(attempt)
    if (!this.#isSweeping) this.#sweepLater()
  }

  delete(attempt: Attempt): void {
    this.#attempts.delete(attempt)
  }

  close(): void {
    for (const attempt of this.#attempts) attempt.drop()
    this.#attempts.clear()
  }

  #sweepLater(): void {
    this.#isSweeping = true
    afterMs(MAX_UNSENT_MS, () => this.#sweep())
  }

  #sweep(): void {
    this.#isSweeping = false
    for (const attempt of this.#attempts) {
      if (attempt.elapsedMs < MAX_UNSENT_MS) continue
      attempt.drop()
      this.#attempts.delete(attempt)
    }
    if (this.#attempts.size > 0) this.#sweepLater()
  }
}

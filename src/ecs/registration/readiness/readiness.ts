import { inSteps } from '../../../core/async/in-steps.ts'
import { inTime } from '../../../core/async/with-timeout.ts'
import { sleep, unawaited, type Clock } from '../../../core/clock.ts'
import { reasonOf } from '../../../core/errors.ts'
import type { ReadinessSettings } from '../options/options.ts'

/** Rejects when the process is not ready. */
export type Check = (signal: AbortSignal) => Promise<void>

/** Until a process has been ready once, its callers wait for every check. */
const FIRST_EVERY_MS = 500

/** Checks again and again, and reports what changes. */
export class Readiness {
  /** undefined: not known yet. */
  ready: boolean | undefined
  /** Why the last check failed; undefined: it did not. */
  reason: string | undefined
  readonly #check: Check
  readonly #settings: ReadinessSettings
  readonly #clock: Clock
  readonly #onChange: (ready: boolean, reason: string) => void
  readonly #stopped = new AbortController()
  #passes = 0
  #fails = 0

  constructor(
    check: Check,
    settings: ReadinessSettings,
    clock: Clock,
    onChange: (ready: boolean, reason: string) => void,
  ) {
    this.#check = check
    this.#settings = settings
    this.#clock = clock
    this.#onChange = onChange
  }

  async start(): Promise<void> {
    const { signal } = this.#stopped
    const { everyMs } = this.#settings
    let hasBeenReady = false
    while (!signal.aborted) {
      await this.#once()
      hasBeenReady ||= this.ready === true
      const waitMs = hasBeenReady ? everyMs : Math.min(everyMs, FIRST_EVERY_MS)
      await sleep(this.#clock, waitMs, signal).catch(() => undefined)
    }
  }

  stop(): void {
    this.#stopped.abort()
  }

  async #once(): Promise<void> {
    const { timeoutMs, fails, passes } = this.#settings
    const { signal } = this.#stopped
    try {
      const late = (): Error => new Error(`no answer in ${timeoutMs} ms`)
      const limit = { clock: inSteps(unawaited(this.#clock)), limitMs: timeoutMs, signal, late }
      await inTime(limit, this.#check)
      if (signal.aborted) return
      this.reason = undefined
      this.#fails = 0
      this.#passes++
      if (this.#passes >= passes) this.#become(true, 'ready')
    } catch (error) {
      if (signal.aborted) return
      this.reason = reasonOf(error)
      this.#passes = 0
      this.#fails++
      if (this.#fails >= fails || this.ready === undefined) this.#become(false, this.reason)
    }
  }

  #become(ready: boolean, reason: string): void {
    if (this.ready === ready) return
    this.ready = ready
    this.#onChange(ready, reason)
  }
}

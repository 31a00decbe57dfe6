import { constants } from 'node:os'
import { setLimit, type Clock, type Timer } from '../../core/clock.ts'

/** A terminal signals the whole process group, and npm passes the signal on once more: one Ctrl-C is two signals. */
const ECHO_MS = 50
/** What shells report for a process that a signal ended. */
const EXIT_BASE = 128

export interface SignalHandlers {
  first(signal: NodeJS.Signals): void
  second(): void
}

/** Signals of the process, which do not end it while they are watched. */
export class SignalWatch {
  readonly #signals: readonly NodeJS.Signals[]
  readonly #handlers: SignalHandlers
  readonly #exit: boolean
  readonly #clock: Clock
  readonly #onSignal = (signal: NodeJS.Signals): void => this.#hear(signal)
  #count = 0
  /** Runs while signals are echoes of the one that was counted. */
  #echo: Timer | undefined

  /** @param exit whether the third one ends the process; otherwise the watch ends with the second */
  constructor(signals: readonly NodeJS.Signals[], exit: boolean, clock: Clock, handlers: SignalHandlers) {
    this.#signals = signals
    this.#handlers = handlers
    this.#exit = exit
    this.#clock = clock
    for (const signal of signals) process.on(signal, this.#onSignal)
  }

  /** From then on signals do what they do in any process. */
  end(): void {
    for (const signal of this.#signals) process.off(signal, this.#onSignal)
    this.#echo?.cancel()
  }

  #hear(signal: NodeJS.Signals): void {
    if (this.#echo !== undefined) return
    // A busy process hears an echo late: it ends once all has been heard that came by then.
    this.#echo = setLimit(this.#clock, ECHO_MS, () => (this.#echo = undefined))
    this.#count++
    if (this.#count === 1) return this.#handlers.first(signal)
    if (this.#count === 2) {
      this.#handlers.second()
      if (!this.#exit) this.end()
      return
    }
    process.exit(EXIT_BASE + constants.signals[signal])
  }
}

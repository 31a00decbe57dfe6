/**
 * Scale-in protection, counted: the first hold protects the task, the end of the last one releases it. Protection covers
 * scale-in and deployments, not Spot interruptions or StopTask. It is meant for jobs and sockets that take minutes: the
 * agent admits 40 requests a second for all tasks of an instance, so it is not for each request.
 */
import type { Optional } from '../../core/check/check.ts'
import type { Timer } from '../../core/clock.ts'
import { emit } from '../../core/events.ts'
import type { ProtectionError } from './errors.ts'
import { readOptions, type ProtectionOptions, type ProtectionSettings } from './options.ts'
import { putState } from './put-state.ts'

const MS_PER_MINUTE = 60_000
/** Of `minutes`: early enough for some more tries before protection ends. */
const RENEW_AT = 0.8
const RENEW_AGAIN_AFTER = 0.05
/** After a failure, holds do not ask again for this long. */
const PAUSE_MS = 5_000

/** `failed`: there are holds, and ECS refused, or did not answer. After a renewal that failed, protection ends by itself. */
export type ProtectionState = 'off' | 'protecting' | 'protected' | 'releasing' | 'failed'

/** What `protectTask()` returns. */
export interface TaskProtection {
  /** Whether ECS leaves the task alone. */
  readonly state: ProtectionState
  /**
   * Resolves when the task is protected; dispose of what it returns when the work is done.
   * @throws ProtectionError with `onFailure: 'reject'`
   */
  hold(): Promise<AsyncDisposable>
}

/**
 * Keeps ECS from stopping this task in the middle of a job when it scales in or deploys.
 *
 *     const protection = protectTask()
 *     await using job = await protection.hold()
 *
 * @throws InvalidOptionsError for options, or variables, that are not allowed
 */
export function protectTask(options: Optional<ProtectionOptions> = {}): TaskProtection {
  return new CountedProtection(readOptions(options))
}

class CountedProtection implements TaskProtection {
  state: ProtectionState = 'off'
  readonly #settings: ProtectionSettings
  #holds = 0
  /** Shared by all holds; undefined: the next one has to ask. */
  #protected: Promise<ProtectionError | undefined> | undefined
  /** Requests to the agent, one after the other, so that the last one asked is the last one done. */
  #turn: Promise<unknown> = Promise.resolve()
  #timer: Timer | undefined
  #renewal: Timer | undefined
  #pausedUntil = Number.NEGATIVE_INFINITY
  /** End of the last protection that ECS granted, on the clock. */
  #protectedUntil = Number.NEGATIVE_INFINITY

  constructor(settings: ProtectionSettings) {
    this.#settings = settings
  }

  async hold(): Promise<AsyncDisposable> {
    this.#holds++
    this.#timer?.cancel()
    const { clock, onFailure } = this.#settings
    if (this.#protected === undefined || (this.state === 'failed' && clock.now() >= this.#pausedUntil))
      this.#protected = this.#protect()
    const error = await this.#protected
    if (error !== undefined && onFailure === 'reject') {
      this.#end()
      throw error
    }
    let isHeld = true
    return {
      [Symbol.asyncDispose]: async () => {
        if (isHeld) this.#end()
        isHeld = false
      },
    }
  }

  #end(): void {
    this.#holds--
    if (this.#holds > 0) return
    this.#timer = this.#settings.clock.setTimer(() => void this.#release(), this.#settings.lingerMs)
  }

  /** @returns why it failed */
  async #protect(): Promise<ProtectionError | undefined> {
    // A renewal that fails leaves the task protected for a while.
    if (this.state !== 'protected') this.#enter('protecting')
    const { clock, minutes } = this.#settings
    const error = await this.#put(true)
    this.#renewal?.cancel()
    const periodMs = minutes * MS_PER_MINUTE
    if (error === undefined) {
      this.#protectedUntil = clock.now() + periodMs
      this.#enter('protected')
      this.#renewIn(RENEW_AT * periodMs)
    } else {
      this.#pausedUntil = clock.now() + PAUSE_MS
      this.#enter('failed', error)
      if (error.failure === 'throttled' || error.failure === 'outage')
        this.#renewIn(RENEW_AGAIN_AFTER * periodMs)
    }
    return error
  }

  #renewIn(delayMs: number): void {
    this.#renewal = this.#settings.clock.setTimer(() => {
      if (this.#protected !== undefined) this.#protected = this.#protect()
    }, delayMs)
  }

  async #release(): Promise<void> {
    this.#renewal?.cancel()
    this.#protected = undefined
    // A renewal that failed leaves protection that is still to be released.
    if (this.state === 'failed' && this.#settings.clock.now() >= this.#protectedUntil) {
      this.#enter('off')
      return
    }
    this.#enter('releasing')
    // Nothing is lost if it fails: protection ends by itself.
    const error = await this.#put(false)
    if (this.#protected === undefined) this.#enter('off', error)
  }

  #put(isProtected: boolean): Promise<ProtectionError | undefined> {
    const done = this.#turn.then(() =>
      putState(this.#settings, isProtected).then(
        () => undefined,
        (error: ProtectionError) => error,
      ),
    )
    this.#turn = done
    return done
  }

  #enter(state: ProtectionState, error?: ProtectionError): void {
    const from = this.state
    this.state = state
    if (from !== state || error !== undefined)
      emit('onehop:protection.changed', () => ({ from, to: state, holds: this.#holds, error }))
  }
}

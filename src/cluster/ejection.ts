/**
 * Keeps an upstream out of the rotation that refuses connections or fails, and lets it back by one probe.
 *
 * A refused connection is certain knowledge, so a single one is enough; it is also cheap to be wrong about,
 * so the first time out is short: a task that restarts is back within a second, a dead one costs one probe at
 * 1, 2, 4 ... 30 s. Failures are statistics (`outlier.ts`), and a task that fails harms calls that cannot be
 * sent again: those times out are longer, and the longer the more often it was out. But once it is out, one call in ten
 * seconds is little to pay for knowing soon that it is well again (docs/decisions/012). Pure: time is an argument.
 */

export const FIRST_EJECTION_MS = 1_000
export const LONGEST_EJECTION_MS = 30_000
/** A task that is about to end does so within 30 s on Fargate, unless told otherwise; a probe costs one retry at most. */
export const DRAINING_EJECTION_MS = 10_000

export type EjectionState = 'available' | 'ejected' | 'probing'

/**
 * `refuses`: takes no connections. `fails`: answers, or breaks off, markedly worse than its peers. `drains`: said that
 * it is about to end.
 */
export type EjectionCause = 'refuses' | 'fails' | 'drains'

export interface FailingTimes {
  /** First time out; each further one is longer by as much. */
  readonly baseMs: number
  readonly longestMs: number
}

export class Ejection {
  #state: EjectionState = 'available'
  #cause: EjectionCause = 'refuses'
  #reason = ''
  #since = Number.NEGATIVE_INFINITY
  #until = Number.NEGATIVE_INFINITY
  #forMs = 0
  #refusals = 0
  /** Times out for failing, less one for each `baseMs` of good conduct since. */
  #failings = 0
  #backSince = Number.NEGATIVE_INFINITY

  get state(): EjectionState {
    return this.#state
  }

  /** What keeps it out, or did last. */
  get cause(): EjectionCause {
    return this.#cause
  }

  /** Why it is out; empty while available. */
  get reason(): string {
    return this.#reason
  }

  /** When it went out, in ms on the clock. */
  get since(): number {
    return this.#since
  }

  /** When the next probe may go, in ms on the clock; Infinity while there is none to wait for. */
  get probeAt(): number {
    return this.#state === 'ejected' ? this.#until : Number.POSITIVE_INFINITY
  }

  /**
   * No connection could be made. Failures that come in while it is out already, of attempts begun before,
   * tell nothing new.
   * @returns for how many ms it is now out, or undefined when nothing changed
   */
  connectFailed(now: number, reason: string): number | undefined {
    if (this.#state === 'ejected') return undefined
    this.#refusals++
    const forMs = Math.min(FIRST_EJECTION_MS * 2 ** (this.#refusals - 1), LONGEST_EJECTION_MS)
    return this.#eject('refuses', forMs, now, reason)
  }

  /**
   * It fails more than its peers, or its probe has failed.
   * @param jitter factor around 1, so that a fleet of clients does not probe in step
   * @returns for how many ms it is now out, or undefined when nothing changed
   */
  failed(
    now: number,
    reason: string,
    { baseMs, longestMs }: FailingTimes,
    jitter: number,
  ): number | undefined {
    if (this.#state === 'ejected') return undefined
    if (this.#state === 'probing') return this.#eject('fails', baseMs * jitter, now, reason)
    const forgotten = Math.floor((now - this.#backSince) / baseMs)
    this.#failings = Math.max(0, this.#failings - forgotten) + 1
    const forMs = Math.min(baseMs * this.#failings, longestMs) * jitter
    return this.#eject('fails', forMs, now, reason)
  }

  /**
   * It said that it is about to end, with an answer as good as any other.
   * @returns for how many ms it is now out, or undefined when nothing changed
   */
  drains(now: number): number | undefined {
    const isKnown = this.#state === 'ejected'
    const forMs = this.#eject('drains', DRAINING_EJECTION_MS, now, 'is draining')
    // Where all of them drain they are called all the same, and say so with each answer.
    return isKnown ? undefined : forMs
  }

  /** The request that is about to go is the probe. Nothing else is sent there until its outcome is known. */
  startProbe(): void {
    this.#state = 'probing'
  }

  /** The probe ended without telling anything (the caller went away): the next call probes. */
  probeCancelled(): void {
    if (this.#state === 'probing') this.#state = 'ejected'
  }

  /**
   * The probe was late, and another attempt answered its call: not the success that brings it back, and no failure. It
   * is out for as long again; without that each call would be its probe, and late.
   * @returns for how many ms, or undefined when it was no probe
   */
  probeOutrun(now: number): number | undefined {
    if (this.#state !== 'probing') return undefined
    return this.#eject(this.#cause, this.#forMs, now, this.#reason)
  }

  /**
   * It answered a request that was begun at `startedAt`. An answer to one from before the ejection came over a
   * connection that was open then, and does not show that new ones can be made. Who refused connections is back
   * with any answer; who failed, with a good one.
   * @returns whether this brought it back
   */
  answered(startedAt: number, isGood: boolean, now: number): boolean {
    if (this.#state === 'available' || startedAt < this.#since) return false
    if (this.#cause === 'fails' && !isGood) return false
    this.#state = 'available'
    this.#reason = ''
    this.#refusals = 0
    this.#backSince = now
    return true
  }

  #eject(cause: EjectionCause, forMs: number, now: number, reason: string): number {
    this.#state = 'ejected'
    this.#cause = cause
    this.#reason = reason
    this.#since = now
    this.#until = now + forMs
    this.#forMs = forMs
    return forMs
  }
}

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
  #isOut = false
  #cause: EjectionCause = 'refuses'
  #reason = ''
  #since = Number.NEGATIVE_INFINITY
  #until = Number.NEGATIVE_INFINITY
  /** How long it is out again after a probe that showed nothing. */
  #againMs = 0
  #refusals = 0
  /** Times out for failing, less one for each `baseMs` of good conduct since. */
  #failings = 0
  /** Probes in a row that their callers gave up. */
  #givenUp = 0
  #backSince = Number.NEGATIVE_INFINITY
  /** The call that probes: it alone ends the probe. */
  #probe: object | undefined = undefined
  /** Since when the task was out as that call began. */
  #probeOfSince = Number.NEGATIVE_INFINITY

  get state(): EjectionState {
    if (!this.#isOut) return 'available'
    return this.#probe === undefined ? 'ejected' : 'probing'
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
    return this.state === 'ejected' ? this.#until : Number.POSITIVE_INFINITY
  }

  /**
   * No connection could be made. Failures that come in while it is out already, of attempts that are not the probe,
   * tell nothing new.
   * @param isProbe whether it was the probe's
   * @returns for how many ms it is now out, or undefined when nothing changed
   */
  connectFailed(now: number, reason: string, isProbe = false): number | undefined {
    if (this.#isOut && !isProbe) return undefined
    return this.#eject('refuses', this.#nextRefusalMs(), now, reason)
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
    isProbe = false,
  ): number | undefined {
    if (this.#isOut) return isProbe ? this.#eject('fails', baseMs * jitter, now, reason) : undefined
    const forgotten = Math.floor((now - this.#backSince) / baseMs)
    this.#failings = Math.max(0, this.#failings - forgotten) + 1
    const forMs = Math.min(baseMs * this.#failings, longestMs) * jitter
    this.#eject('fails', forMs, now, reason)
    // A probe that shows nothing must not cost more than one that fails.
    this.#againMs = baseMs * jitter
    return forMs
  }

  /**
   * Its probe got a connection, and no answer. It may be starting, so it is out as after a connection that was refused;
   * but as it takes connections, calls that cannot be sent again leave the next probe to others for a while.
   * @returns for how many ms it is now out
   */
  probeBroke(now: number, reason: string): number {
    return this.#eject('fails', this.#nextRefusalMs(), now, reason)
  }

  /**
   * It said that it is about to end, with an answer as good as any other.
   * @returns for how many ms it is now out, or undefined when nothing changed
   */
  markDraining(now: number): number | undefined {
    const isKnown = this.state === 'ejected'
    const forMs = this.#eject('drains', DRAINING_EJECTION_MS, now, 'is draining')
    // Where all of them drain they are called all the same, and say so with each answer.
    return isKnown ? undefined : forMs
  }

  /** This call is the probe. No other is, until it ends or the task is back. */
  startProbe(call: object): void {
    this.#probe = call
    this.#probeOfSince = this.#since
  }

  /**
   * An attempt of a call ended. If it was the probe, and tells nothing, the next call probes.
   * @returns whether it was the probe, and what put the task out is what it was to probe
   */
  endProbe(call: object | undefined): boolean {
    if (this.#probe === undefined || this.#probe !== call) return false
    this.#probe = undefined
    return this.#probeOfSince === this.#since
  }

  /**
   * The probe was late, and another attempt answered its call: not the success that brings it back, and no failure. It
   * is out for as long again; without that each call would be its probe, and late.
   * @returns for how many ms
   */
  probeOutrun(now: number): number {
    return this.#eject(this.#cause, this.#againMs, now, this.#reason)
  }

  /**
   * The caller of the probe waited for an answer in vain. That costs more than a refused connection, of which callers
   * notice nothing: it is out for as long again, and for at least twice `baseMs`, then 30 s.
   * @returns for how many ms
   */
  probeGivenUp(now: number, reason: string, baseMs: number): number {
    this.#givenUp++
    const leastMs = Math.min(2 * baseMs * this.#givenUp, LONGEST_EJECTION_MS)
    return this.#eject('fails', Math.max(this.#againMs, leastMs), now, reason)
  }

  /**
   * It answered a request that was begun at `startedAt`. An answer to one from before the ejection came over a
   * connection that was open then, and does not show that new ones can be made. One that refused connections is back
   * with any answer; one that failed, with a good one.
   * @returns whether this brought it back
   */
  answered(startedAt: number, isGood: boolean, now: number): boolean {
    if (!this.#isOut || startedAt < this.#since) return false
    if (this.#cause === 'fails' && !isGood) return false
    this.readmit(now)
    return true
  }

  /** It is back. A probe under way is a call like any other. */
  readmit(now: number): void {
    this.#isOut = false
    this.#reason = ''
    this.#refusals = 0
    this.#givenUp = 0
    this.#backSince = now
    this.#probe = undefined
  }

  #nextRefusalMs(): number {
    this.#refusals++
    return Math.min(FIRST_EJECTION_MS * 2 ** (this.#refusals - 1), LONGEST_EJECTION_MS)
  }

  #eject(cause: EjectionCause, forMs: number, now: number, reason: string): number {
    this.#isOut = true
    this.#cause = cause
    this.#reason = reason
    this.#since = now
    this.#until = now + forMs
    this.#againMs = forMs
    return forMs
  }
}

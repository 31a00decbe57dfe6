/**
 * Ejects one upstream that refuses connections, fails or drains, and readmits it after a successful probe.
 *
 * A refused connection is certain, and one is enough. An error is cheap, so the first ejection is short: a task that
 * restarts is back within a second, and a dead one costs one probe after 1, 2, 4 ... 30 s. Failures are statistics
 * (`outlier.ts`), and a failing task harms calls that cannot be sent again: these ejections are longer, and grow with
 * each repetition. During such an ejection one call in ten seconds is a low price for early readmission
 * (docs/decisions/012). Pure: time is an argument.
 */

const FIRST_REFUSAL_EJECTION_MS = 1_000
const MAX_REFUSAL_EJECTION_MS = 30_000
/** Not an option: half or double this value changes the success of no scenario by more than 0.5 percentage points. */
const MAX_FAILURE_EJECTION_MS = 300_000
/** A draining task ends within 30 s on Fargate, unless configured otherwise. A probe costs one retry at most. */
const DRAINING_EJECTION_MS = 10_000

export type EjectionState = 'available' | 'ejected' | 'probing'

/**
 * `refuses`: takes no connections. `fails`: answers, or breaks off, much worse than its peers. `drains`: announced that
 * it is about to end.
 */
export type EjectionCause = 'refuses' | 'fails' | 'drains'

/** What ejects returns the length of the ejection in ms; undefined if nothing changed. */
export class Ejection {
  #isEjected = false
  #cause: EjectionCause = 'refuses'
  #reason = ''
  #since = Number.NEGATIVE_INFINITY
  #until = Number.NEGATIVE_INFINITY
  /** Length of the next ejection if a probe is inconclusive. */
  #againMs = 0
  #refusals = 0
  /** Ejections for failures, less one for each `baseMs` of good conduct since. */
  #failings = 0
  /** Probes in a row that their callers aborted. */
  #abortedProbes = 0
  #readmittedAt = Number.NEGATIVE_INFINITY
  /** The call that probes: it alone ends the probe. */
  #probe: object | undefined = undefined
  /** `#since` when that call began. */
  #probeOfSince = Number.NEGATIVE_INFINITY

  get state(): EjectionState {
    if (!this.#isEjected) return 'available'
    return this.#probe === undefined ? 'ejected' : 'probing'
  }

  /** Cause of the current ejection, or of the last one. */
  get cause(): EjectionCause {
    return this.#cause
  }

  /** The failure in words; empty while available. */
  get reason(): string {
    return this.#reason
  }

  /** Start of the ejection, in ms on the clock. */
  get since(): number {
    return this.#since
  }

  /** When the next probe is due, in ms on the clock; Infinity while none is. */
  get probeAt(): number {
    return this.state === 'ejected' ? this.#until : Number.POSITIVE_INFINITY
  }

  /** No connection could be made. During an ejection only the probe's failure says something new. */
  connectFailed(now: number, reason: string, isProbe = false): number | undefined {
    if (this.#isEjected && !isProbe) return undefined
    return this.#eject('refuses', this.#nextRefusalMs(), now, reason)
  }

  /**
   * It fails more than its peers, or its probe has failed.
   * @param baseMs length of the first ejection; each further one is longer by as much, up to 300 s
   * @param jitter factor around 1, so that a fleet of clients does not probe in step
   */
  failed(now: number, reason: string, baseMs: number, jitter: number, isProbe = false): number | undefined {
    if (this.#isEjected) return isProbe ? this.#eject('fails', baseMs * jitter, now, reason) : undefined
    const forgotten = Math.floor((now - this.#readmittedAt) / baseMs)
    this.#failings = Math.max(0, this.#failings - forgotten) + 1
    const forMs = Math.min(baseMs * this.#failings, MAX_FAILURE_EJECTION_MS) * jitter
    this.#eject('fails', forMs, now, reason)
    // An inconclusive probe must not cost more than one that fails.
    this.#againMs = baseMs * jitter
    return forMs
  }

  /**
   * Its probe got a connection and no answer. It may be starting, so the ejection is as short as after a refusal. But it
   * takes connections, so calls that cannot be sent again leave the next probe to others for a while.
   */
  probeBroke(now: number, reason: string): number {
    return this.#eject('fails', this.#nextRefusalMs(), now, reason)
  }

  /** It announced with an answer that it is about to end. Returns undefined if it was ejected before. */
  markDraining(now: number): number | undefined {
    const wasEjected = this.state === 'ejected'
    const forMs = this.#eject('drains', DRAINING_EJECTION_MS, now, 'is draining')
    // If all tasks drain, they are still called, and announce it with each answer.
    return wasEjected ? undefined : forMs
  }

  /** This call is the only probe until it ends or the upstream is readmitted. */
  startProbe(call: object): void {
    this.#probe = call
    this.#probeOfSince = this.#since
  }

  /**
   * An attempt of a call ended. If it was an inconclusive probe, the next call probes.
   * @returns whether it was the probe, and of the current ejection
   */
  endProbe(call: object | undefined): boolean {
    if (this.#probe === undefined || this.#probe !== call) return false
    this.#probe = undefined
    return this.#probeOfSince === this.#since
  }

  /**
   * The probe was slow, and another attempt answered its call: neither a success nor a failure. The ejection is as long
   * as before. Otherwise each call would be its probe, and slow.
   */
  probeOutrun(now: number): number {
    return this.#eject(this.#cause, this.#againMs, now, this.#reason)
  }

  /**
   * The caller of the probe waited for an answer in vain. Callers feel that, unlike a refused connection. So the ejection
   * is as long as before, and at least twice `baseMs`, then 30 s.
   */
  probeAborted(now: number, reason: string, baseMs: number): number {
    this.#abortedProbes++
    const minMs = Math.min(2 * baseMs * this.#abortedProbes, MAX_REFUSAL_EJECTION_MS)
    return this.#eject('fails', Math.max(this.#againMs, minMs), now, reason)
  }

  /**
   * It answered a request that began at `startedAt`. A request from before the ejection used an old connection, so its
   * answer does not show that new ones can be made. Any answer readmits after refused connections; only a success does
   * after failures.
   * @returns whether this readmitted it
   */
  answered(startedAt: number, isGood: boolean, now: number): boolean {
    if (!this.#isEjected || startedAt < this.#since) return false
    if (this.#cause === 'fails' && !isGood) return false
    this.readmit(now)
    return true
  }

  /** A pending probe becomes a call like any other. */
  readmit(now: number): void {
    this.#isEjected = false
    this.#reason = ''
    this.#refusals = 0
    this.#abortedProbes = 0
    this.#readmittedAt = now
    this.#probe = undefined
  }

  #nextRefusalMs(): number {
    this.#refusals++
    return Math.min(FIRST_REFUSAL_EJECTION_MS * 2 ** (this.#refusals - 1), MAX_REFUSAL_EJECTION_MS)
  }

  #eject(cause: EjectionCause, forMs: number, now: number, reason: string): number {
    this.#isEjected = true
    this.#cause = cause
    this.#reason = reason
    this.#since = now
    this.#until = now + forMs
    this.#againMs = forMs
    return forMs
  }
}

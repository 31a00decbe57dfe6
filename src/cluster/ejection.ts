/**
 * Keeps an upstream that refuses connections out of the rotation, and lets it back by one probe.
 *
 * A refused connection is certain knowledge, so a single one is enough; it is also cheap to be wrong about,
 * so the first time out is short: a task that restarts is back within a second, a dead one costs one probe at
 * 1, 2, 4 ... 30 s. Pure: time is an argument.
 */

export const FIRST_EJECTION_MS = 1_000
export const LONGEST_EJECTION_MS = 30_000

export type EjectionState = 'available' | 'ejected' | 'probing'

export class Ejection {
  #state: EjectionState = 'available'
  #reason = ''
  #since = Number.NEGATIVE_INFINITY
  #until = Number.NEGATIVE_INFINITY
  #times = 0

  get state(): EjectionState {
    return this.#state
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
    this.#times++
    const forMs = Math.min(FIRST_EJECTION_MS * 2 ** (this.#times - 1), LONGEST_EJECTION_MS)
    this.#state = 'ejected'
    this.#reason = reason
    this.#since = now
    this.#until = now + forMs
    return forMs
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
   * It answered a request that was begun at `startedAt`. An answer to one from before the ejection came over a
   * connection that was open then, and does not show that new ones can be made.
   * @returns whether this brought it back
   */
  answered(startedAt: number): boolean {
    if (this.#state === 'available' || startedAt < this.#since) return false
    this.#state = 'available'
    this.#reason = ''
    this.#times = 0
    return true
  }
}

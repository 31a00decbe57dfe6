import type { PickHint } from '../balancer/balancer.ts'
import { directShare } from './tiers.ts'
import type { Upstream } from './upstream.ts'

/**
 * A task that failed, or drained, is probed with a call that can be sent again, if there is one within this time; one
 * whose body can be sent only once is left for as long to others in any case. A service of no such calls must have the
 * task back, too.
 */
const PATIENCE_MS = 2_000

/** Which of a service's upstreams take calls, and which of the others is due to be probed. */
export class Rotation {
  readonly #fallback: Upstream | undefined
  /** All of tier 0. */
  tasks: readonly Upstream[] = []
  /** Those of the tasks that are not ejected; another array whenever that changes. */
  available: readonly Upstream[] = []
  /**
   * Those that a call may go to: when nothing is available, any task is a better guess than a certain failure. One that
   * refuses connections is no guess, as long as there are others, a load balancer included (docs/decisions/004).
   */
  candidates: readonly Upstream[] = []
  /** Share of the calls that goes straight to tasks, from 0 to 1. */
  directShare = 0
  #nextProbeAt = Number.POSITIVE_INFINITY
  /** The same for calls that cannot be sent again. */
  #nextRiskyProbeAt = Number.POSITIVE_INFINITY

  constructor(fallback: Upstream | undefined) {
    this.#fallback = fallback
  }

  /** To be called when the tasks are others, or one of them has been ejected, readmitted, or is out for another cause. */
  recount(): void {
    this.available = this.tasks.filter(({ ejection }) => ejection.state === 'available')
    this.candidates = this.available.length > 0 ? this.available : this.#guesses()
    this.directShare = directShare(this.available.length, this.tasks.length)
    this.scheduleProbes()
  }

  /** To be called when one of those that are out may be probed at another time. */
  scheduleProbes(): void {
    let next = this.#fallback?.ejection.probeAt ?? Number.POSITIVE_INFINITY
    let nextRisky = next
    for (const upstream of this.tasks) {
      next = Math.min(next, upstream.ejection.probeAt)
      nextRisky = Math.min(nextRisky, riskyProbeAt(upstream))
    }
    this.#nextProbeAt = next
    this.#nextRiskyProbeAt = nextRisky
  }

  /** The upstream that this call is to probe, if one is due: until an attempt of the call ends, no other call does. */
  takeProbe(hint: PickHint): Upstream | undefined {
    const { now } = hint
    if (now < this.#nextProbeAt) return undefined
    const isOnce = hint.replayable === false
    const isRisky = isOnce || hint.idempotent === false
    if (isRisky && now < this.#nextRiskyProbeAt) return undefined
    const fallback = this.#fallback
    const isDue = (upstream: Upstream): boolean =>
      (isOnce ? laterProbeAt(upstream) : isRisky ? riskyProbeAt(upstream) : upstream.ejection.probeAt) <= now
    const probe =
      this.tasks.find(isDue) ??
      (fallback !== undefined && fallback.ejection.probeAt <= now ? fallback : undefined)
    if (probe === undefined) return undefined
    probe.ejection.startProbe(hint)
    this.scheduleProbes()
    return probe
  }

  #guesses(): readonly Upstream[] {
    const guesses = this.tasks.filter(({ ejection }) => ejection.cause !== 'refuses')
    return guesses.length > 0 || this.#fallback !== undefined ? guesses : this.tasks
  }

  /** Whether one more task may be put out for failing: never the last one, and no more than this share of all. */
  mayPutOut(maxEjectedRatio: number): boolean {
    if (this.available.length < 2) return false
    const isOut = ({ ejection }: Upstream): boolean =>
      ejection.state !== 'available' && ejection.cause === 'fails'
    return this.tasks.filter(isOut).length + 1 <= maxEjectedRatio * this.tasks.length
  }
}

/** A call comes to no harm where connections are still refused: it is sent elsewhere whatever its method. */
function riskyProbeAt(upstream: Upstream): number {
  return upstream.ejection.cause === 'refuses' ? upstream.ejection.probeAt : laterProbeAt(upstream)
}

function laterProbeAt({ ejection }: Upstream): number {
  return ejection.probeAt + PATIENCE_MS
}

/**
 * Which of a service's upstreams take calls, which share of the calls they take, and which ejected upstream is due for
 * a probe.
 *
 * The load balancer is an endpoint of tier 1 among the others. One rule covers failed discovery, empty sets, ejection of
 * all tasks, and partial spill: the best tier that can take the call, else panic.
 */
import type { Random } from '../core/clock.ts'
import type { Endpoint } from '../discovery/endpoint.ts'
import type { LivenessSource } from '../discovery/view/sample-merger.ts'
import { isAccepted, type CallHint } from './picker.ts'
import type { Upstream } from './upstream.ts'

/**
 * Envoy's overprovisioning factor: tasks run at no more than 1 / 1.4 of their capacity, so the loss of up to 28 % of
 * them spills nothing.
 */
const OVERPROVISIONING = 1.4

/**
 * After a failure or draining, a probe waits this long for a call that can be sent again. A body that can be sent only
 * once is kept from probing for as long. After that any call probes: a service without repeatable calls must get its
 * task back, too.
 */
const RISKY_PROBE_DELAY_MS = 2_000

export class HostSet implements LivenessSource {
  /** The load balancer; undefined: none. */
  readonly fallback: Upstream | undefined
  readonly #random: Random
  #tasks: readonly Upstream[] = []
  #available: readonly Upstream[] = []
  #candidates: readonly Upstream[] = []
  #nextProbeAt = Number.POSITIVE_INFINITY
  /** The same for calls that cannot be sent again. */
  #nextRiskyProbeAt = Number.POSITIVE_INFINITY

  constructor(fallback: Upstream | undefined, random: Random) {
    this.fallback = fallback
    this.#random = random
  }

  /** All of tier 0. */
  get tasks(): readonly Upstream[] {
    return this.#tasks
  }

  /** The tasks, and last the load balancer if there is one. */
  get upstreams(): readonly Upstream[] {
    return this.fallback === undefined ? this.#tasks : [...this.#tasks, this.fallback]
  }

  /** Tasks that are not ejected; another array whenever that changes. */
  get available(): readonly Upstream[] {
    return this.#available
  }

  /**
   * Tasks that a call may go to. If none is available (panic), any task is a better guess than a certain failure, except
   * those that refuse connections while there are others, a load balancer included (docs/decisions/004).
   */
  get candidates(): readonly Upstream[] {
    return this.#candidates
  }

  /** Share of the calls that goes to tasks, from 0 to 1; the rest spills to the load balancer. */
  get directShare(): number {
    const total = this.#tasks.length
    return total === 0 ? 0 : Math.min(1, (OVERPROVISIONING * this.#available.length) / total)
  }

  *answeredSince(time: number): Iterable<Endpoint> {
    for (const upstream of this.#tasks) if (upstream.answeredAt >= time) yield upstream.endpoint
  }

  /** To be followed by `recount`. */
  replace(tasks: readonly Upstream[]): void {
    this.#tasks = tasks
  }

  /** To be called after the tasks, or the ejection of one of them, have changed. */
  recount(): void {
    this.#available = this.#tasks.filter(({ ejection }) => ejection.state === 'available')
    this.#candidates = this.#available.length > 0 ? this.#available : this.#panicCandidates()
    this.scheduleProbes()
  }

  /** To be called when the time of a probe has changed. */
  scheduleProbes(): void {
    let next = this.fallback?.ejection.probeAt ?? Number.POSITIVE_INFINITY
    let nextRisky = next
    for (const upstream of this.#tasks) {
      next = Math.min(next, upstream.ejection.probeAt)
      nextRisky = Math.min(nextRisky, riskyProbeAt(upstream))
    }
    this.#nextProbeAt = next
    this.#nextRiskyProbeAt = nextRisky
  }

  /** Makes the call a probe if one is due, and returns its upstream. Until the call ends, no other call probes it. */
  takeProbe(hint: CallHint): Upstream | undefined {
    const { now } = hint
    if (now < this.#nextProbeAt) return undefined
    const isOnce = hint.replayable === false
    const isRisky = isOnce || hint.idempotent === false
    if (isRisky && now < this.#nextRiskyProbeAt) return undefined
    const isDue = (upstream: Upstream): boolean =>
      (isOnce ? laterProbeAt(upstream) : isRisky ? riskyProbeAt(upstream) : upstream.ejection.probeAt) <=
        now && isAccepted(upstream, hint)
    const fallback = this.acceptedFallback(hint)
    const isFallbackDue = fallback !== undefined && fallback.ejection.probeAt <= now
    const probe = this.#tasks.find(isDue) ?? (isFallbackDue ? fallback : undefined)
    if (probe === undefined) return undefined
    probe.ejection.startProbe(hint)
    this.scheduleProbes()
    return probe
  }

  /** Draws whether a call goes to the load balancer and not to a task. */
  spills(hint: CallHint, tried: readonly Upstream[], preferFallback: boolean): boolean {
    const { fallback } = this
    if (fallback === undefined || tried.includes(fallback)) return false
    const { directShare } = this
    if (directShare <= 0) return true
    // The load balancer itself is ejected, or not accepted, and there are tasks.
    if (fallback.ejection.state !== 'available') return false
    const isNeeded = preferFallback || (directShare < 1 && this.#random.next() >= directShare)
    return isNeeded && isAccepted(fallback, hint)
  }

  /** The load balancer if there is one and the call can go there. */
  acceptedFallback(hint: CallHint): Upstream | undefined {
    const { fallback } = this
    return fallback === undefined || isAccepted(fallback, hint) ? fallback : undefined
  }

  /**
   * Whether one more task may be ejected for failures: never the last available one.
   * @param maxEjectedRatio largest share of all tasks that may be ejected for failures
   */
  mayEject(maxEjectedRatio: number): boolean {
    if (this.#available.length < 2) return false
    const isEjected = ({ ejection }: Upstream): boolean =>
      ejection.state !== 'available' && ejection.cause === 'fails'
    return this.#tasks.filter(isEjected).length + 1 <= maxEjectedRatio * this.#tasks.length
  }

  #panicCandidates(): readonly Upstream[] {
    const candidates = this.#tasks.filter(({ ejection }) => ejection.cause !== 'refuses')
    return candidates.length > 0 || this.fallback !== undefined ? candidates : this.#tasks
  }
}

/** While connections are refused, any call may probe: it is sent elsewhere whatever its method. */
function riskyProbeAt(upstream: Upstream): number {
  return upstream.ejection.cause === 'refuses' ? upstream.ejection.probeAt : laterProbeAt(upstream)
}

function laterProbeAt({ ejection }: Upstream): number {
  return ejection.probeAt + RISKY_PROBE_DELAY_MS
}

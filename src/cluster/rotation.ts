import { directShare } from './tiers.ts'
import type { Upstream } from './upstream.ts'

/** Which of a service's upstreams take calls, and which of the others is due to be probed. */
export class Rotation {
  readonly #fallback: Upstream | undefined
  /** All of tier 0. */
  tasks: readonly Upstream[] = []
  /** Those of the tasks that are not ejected; another array whenever that changes. */
  available: readonly Upstream[] = []
  /** Share of the calls that goes straight to tasks, from 0 to 1. */
  directShare = 0
  #nextProbeAt = Number.POSITIVE_INFINITY

  constructor(fallback: Upstream | undefined) {
    this.#fallback = fallback
  }

  /** Those that a call may go to: when nothing is available, any endpoint is a better guess than a certain failure. */
  get candidates(): readonly Upstream[] {
    return this.available.length > 0 ? this.available : this.tasks
  }

  /** To be called when the tasks are others, or one of them has been ejected or readmitted. */
  recount(): void {
    this.available = this.tasks.filter(({ ejection }) => ejection.state === 'available')
    this.directShare = directShare(this.available.length, this.tasks.length)
    this.scheduleProbes()
  }

  /** To be called when one of those that are out may be probed at another time. */
  scheduleProbes(): void {
    let next = this.#fallback?.ejection.probeAt ?? Number.POSITIVE_INFINITY
    for (const { ejection } of this.tasks) next = Math.min(next, ejection.probeAt)
    this.#nextProbeAt = next
  }

  /** The upstream that the next call is to probe, if one is due; it counts as probed from now on. */
  takeProbe(now: number): Upstream | undefined {
    if (now < this.#nextProbeAt) return undefined
    const fallback = this.#fallback
    const probe =
      this.tasks.find(({ ejection }) => ejection.probeAt <= now) ??
      (fallback !== undefined && fallback.ejection.probeAt <= now ? fallback : undefined)
    probe?.ejection.startProbe()
    this.scheduleProbes()
    return probe
  }

  /** Whether one more task may be put out for failing: never the last one, and no more than this share of all. */
  mayPutOut(maxEjectedRatio: number): boolean {
    if (this.available.length < 2) return false
    const isOut = ({ ejection }: Upstream): boolean =>
      ejection.state !== 'available' && ejection.cause === 'fails'
    return this.tasks.filter(isOut).length + 1 <= maxEjectedRatio * this.tasks.length
  }
}

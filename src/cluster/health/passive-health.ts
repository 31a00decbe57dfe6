import type { Random } from '../../core/clock.ts'
import { spread } from '../../core/async/jitter.ts'
import { emit } from '../../core/events.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { View } from '../../discovery/view/view.ts'
import type { HostSet } from '../host-set.ts'
import { recordOutcome } from '../record-outcome.ts'
import type { SlowStart } from '../slow-start.ts'
import type { Upstream } from '../upstream.ts'
import { OutlierDetector, type OutlierOptions } from './outlier.ts'
import { isOutOfResources, isRefusedHere } from './own-failures.ts'

/** An address that answered this recently can be reached, although a connection to it fails. */
const REACHABLE_MS = 1_000

/** A fleet of clients that ejected a task at the same moment must not probe it in step. */
const EJECTION_JITTER = 0.2

export interface PassiveHealthOptions {
  readonly host: string
  readonly view: View
  readonly hostSet: HostSet
  /** undefined: only refused connections and draining eject. */
  readonly outlier: OutlierOptions | undefined
  readonly slowStart: SlowStart
  readonly random: Random
  /** Called when the ejection of a task has changed. */
  readonly onChange: () => void
}

/** Passive health checking: ejects and readmits upstreams by the outcomes of calls, and emits events about it. */
export class PassiveHealth {
  readonly #options: PassiveHealthOptions
  readonly #detector: OutlierDetector | undefined

  constructor(options: PassiveHealthOptions) {
    const { outlier } = options
    this.#options = options
    this.#detector =
      outlier === undefined ? undefined : new OutlierDetector(outlier, () => this.#pendingCalls())
  }

  /**
   * @param startedAt when the attempt began, on the clock [the outcome's latency before `now`]
   * @param call what the upstream was picked for: a probe is ended by its own call alone
   * @returns whether the outcome says something about the upstream
   */
  record(
    upstream: Upstream,
    outcome: Outcome,
    now: number,
    startedAt: number | undefined,
    call: object | undefined,
  ): boolean {
    const { hostSet } = this.#options
    const response = outcome.kind === 'response' ? outcome : undefined
    if (response?.draining === true) this.#markDraining(upstream, now)
    // If trailers will say how it counts, a probe goes on until then, unless any answer readmits the upstream.
    const isProbe = response?.part !== 'headers' && upstream.ejection.endProbe(call)
    if (response !== undefined) upstream.recordReach(false)
    else if (outcome.kind !== 'cancelled' && this.#isOwnFailure(upstream, outcome, now)) {
      if (isProbe) hostSet.scheduleProbes()
      return false
    }
    const detector = upstream === hostSet.fallback ? undefined : this.#detector
    const change = recordOutcome(upstream, outcome, now, detector, startedAt, isProbe)
    if (change.kind === 'ejected') this.#ejected(upstream, change.forMs, now)
    if (change.kind === 'outlier') this.#ejectOutlier(upstream, change.reason, now)
    if (change.kind === 'readmitted') this.#readmitted(upstream, now)
    if (upstream.ejection.state === 'ejected') hostSet.scheduleProbes()
    return true
  }

  #markDraining(upstream: Upstream, now: number): void {
    // The load balancer passes on the announcement of a task behind it.
    if (upstream === this.#options.hostSet.fallback) return
    const { cause } = upstream.ejection
    const forMs = upstream.ejection.markDraining(now)
    if (forMs !== undefined) this.#ejected(upstream, forMs, now)
    else if (cause !== 'drains') this.#options.onChange()
  }

  /**
   * Whether an attempt failed for what this process lacks. If this host refuses to connect, that is so if it refuses all
   * addresses, or one that answers over existing connections (no ports are left). Otherwise the address is to blame.
   */
  #isOwnFailure(upstream: Upstream, outcome: Outcome, now: number): boolean {
    if (isOutOfResources(outcome)) return true
    upstream.recordReach(isRefusedHere(outcome))
    if (!upstream.refusedHere) return false
    if (now - upstream.answeredAt <= REACHABLE_MS) return true
    const all = this.#options.hostSet.upstreams
    if (all.length < 2 || !all.every(({ refusedHere }) => refusedHere)) return false
    this.#readmitRefused(all, now)
    return true
  }

  /** This host reaches no address: those that are ejected for refusals are no worse than the others. */
  #readmitRefused(upstreams: readonly Upstream[], now: number): void {
    // Addresses of deregistered tasks may look the same.
    this.#options.view.refreshEarly(now, false)
    for (const { ejection, label } of upstreams) {
      if (ejection.state === 'available' || ejection.cause !== 'refuses') continue
      ejection.readmit(now)
      this.#emitReadmitted(label)
    }
    this.#options.onChange()
  }

  /** Ejects a task for failures if enough tasks are left. */
  #ejectOutlier(upstream: Upstream, reason: string, now: number): void {
    const detector = this.#detector
    const { hostSet, random } = this.#options
    if (detector === undefined || !hostSet.mayEject(detector.options.maxEjectedRatio)) return
    const jitter = spread(1, EJECTION_JITTER, random)
    const forMs = upstream.ejection.failed(now, reason, detector.options.baseMs, jitter)
    detector.ejected(upstream.answers, now)
    if (forMs !== undefined) this.#ejected(upstream, forMs, now)
  }

  #ejected(upstream: Upstream, forMs: number, now: number): void {
    const { host, view, onChange } = this.#options
    const { label, ejection } = upstream
    onChange()
    view.refreshEarly(now, false)
    emit('onehop:upstream.ejected', () => {
      const { cause, reason } = ejection
      return { host, upstream: label, cause, reason, forMs }
    })
  }

  #readmitted(upstream: Upstream, now: number): void {
    upstream.latency.reset(now)
    this.#options.slowStart.begin(upstream, now)
    this.#options.onChange()
    this.#emitReadmitted(upstream.label)
  }

  #emitReadmitted(upstream: string): void {
    const { host } = this.#options
    emit('onehop:upstream.readmitted', () => ({ host, upstream }))
  }

  #pendingCalls(): number {
    let calls = 0
    for (const { pending } of this.#options.hostSet.tasks) calls += pending
    return calls
  }
}

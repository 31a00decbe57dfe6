/**
 * The upstreams of one service as one origin calls them. Three walks meet here: a snapshot becomes upstreams
 * (`reconcileIfChanged`), a call gets one of them (`pick`), and an outcome changes its load and health (`report`).
 */
import type { Balancer } from '../balancer/balancer.ts'
import type { Clock, Random } from '../core/clock.ts'
import { emit } from '../core/events.ts'
import { formatAddressPort } from '../core/ip.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Endpoint } from '../discovery/endpoint.ts'
import type { View } from '../discovery/view/view.ts'
import type { OutlierOptions } from './health/outlier.ts'
import { PassiveHealth } from './health/passive-health.ts'
import { HostSet } from './host-set.ts'
import { CallerLocality, type CallerLocalityOptions } from './locality/caller-locality.ts'
import type { ZoneRouter } from './locality/zone-router.ts'
import { PeersLatency } from './peers-latency.ts'
import { Picker, type CallHint } from './picker.ts'
import { SlowStart } from './slow-start.ts'
import { membersOf, type SubsetOptions } from './subset.ts'
import { Upstream } from './upstream.ts'

/** What dispatch passes of the call that needs an upstream. */
export type { CallHint as PickHint } from './picker.ts'

export interface ClusterOptions {
  readonly host: string
  /** The port of an endpoint, from what the caller wrote, the options, or the endpoint itself. */
  readonly portOf: (endpoint: Endpoint) => number
  /** Whether neither the caller nor the options name a port: calls wait while discovery may still learn it [false]. */
  readonly needsPort?: boolean | undefined
  /** The load balancer; undefined: none. */
  readonly fallback: Endpoint | undefined
  readonly balancer: Balancer
  /** undefined: only refused connections and draining eject. */
  readonly outlier: OutlierOptions | undefined
  /** Until a task that joins, or is readmitted, takes its whole share; 0: no slow start. */
  readonly slowStartMs: number
  /** Attempts that a task may have pending; Infinity: any number. */
  readonly maxPending: number
  /** undefined: all endpoints are called. */
  readonly subset: SubsetOptions | undefined
  /** undefined: zones do not matter. */
  readonly callerLocality: CallerLocalityOptions | undefined
  readonly clock: Clock
  readonly random: Random
  /** Called for every upstream that left the set, so that its connections can be drained. */
  readonly onDeparted: (upstream: Upstream) => void
}

export class Cluster {
  /** What discovery knows of the service. */
  readonly view: View
  /** The load balancer; undefined: none. */
  readonly fallback: Upstream | undefined
  readonly #options: ClusterOptions
  readonly #hostSet: HostSet
  readonly #slowStart: SlowStart
  readonly #callerLocality: CallerLocality | undefined
  readonly #picker: Picker
  readonly #health: PassiveHealth
  readonly #peersLatency = new PeersLatency()
  readonly #needsPort: boolean
  #endpoints: readonly Endpoint[] | undefined
  #isPanicking = false

  constructor(view: View, options: ClusterOptions) {
    this.view = view
    this.#options = options
    this.#needsPort = options.needsPort ?? false
    const { host, fallback, clock, outlier, random, slowStartMs, callerLocality } = options
    this.fallback =
      fallback === undefined ? undefined : new Upstream(fallback, options.portOf(fallback), 0, clock.now())
    this.#hostSet = new HostSet(this.fallback, random)
    this.#slowStart = new SlowStart(slowStartMs, random)
    this.#picker = new Picker(options.balancer, this.#slowStart, options.maxPending, random)
    this.#callerLocality = callerLocality === undefined ? undefined : new CallerLocality(callerLocality)
    this.#health = new PassiveHealth({
      host,
      view,
      hostSet: this.#hostSet,
      outlier,
      slowStart: this.#slowStart,
      random,
      onChange: () => this.#recount(),
    })
    view.addLivenessSource(this.#hostSet)
  }

  /** No more calls are made with it: discovery need not ask it any more. */
  close(): void {
    this.view.removeLivenessSource(this.#hostSet)
  }

  get tasks(): readonly Upstream[] {
    return this.#hostSet.tasks
  }

  /** The tasks, and last the load balancer if there is one. */
  get upstreams(): readonly Upstream[] {
    return this.#hostSet.upstreams
  }

  /** Share of the calls that goes to tasks, from 0 to 1. */
  get directShare(): number {
    return this.#hostSet.directShare
  }

  /** How calls are divided between zones; undefined if the caller's zone is unknown or does not matter. */
  get zones(): ZoneRouter | undefined {
    return this.#picker.zones
  }

  /** The part of its calls that a task takes during its slow start, from 0.1 to 1. */
  slowStartShare(upstream: Upstream, now: number): number {
    return this.#slowStart.shareOf(upstream, now)
  }

  /**
   * Marks the service as in use, and takes in a changed snapshot or caller's location, which may drain connections.
   * @param hasPort the caller has a port of its own, and waits for no other [false]
   * @returns whether a call can pick now; otherwise it waits with `whenUsable`
   */
  reconcileIfChanged(now: number, hasPort = false): boolean {
    if (!this.view.touch(now, this.#needsPort && !hasPort)) return false
    const endpoints = this.view.snapshot?.endpoints
    const hasMoved = this.#callerLocality !== undefined && this.#callerLocality.refresh(now)
    if (hasMoved || endpoints !== this.#endpoints) this.#reconcile(endpoints ?? [], now)
    return true
  }

  /**
   * Resolves when discovery knows what calls need, or cannot know it.
   * @param hasPort as above [false]
   */
  whenUsable(hasPort = false): Promise<void> {
    return this.view.whenUsable(this.#needsPort && !hasPort)
  }

  /**
   * The upstream for the next attempt of a call; undefined if there is none at all.
   * @param tried upstreams of earlier attempts; picked again only if nothing else is left
   * @param preferFallback for a last attempt after connect failures: the load balancer if there is one
   */
  pick(hint: CallHint, tried: readonly Upstream[], preferFallback: boolean): Upstream | undefined {
    // A retry needs certainty, so only first attempts probe. The hint is the call itself, which owns the probe.
    const probe = tried.length === 0 ? this.#hostSet.takeProbe(hint) : undefined
    if (probe !== undefined) return probe
    const { candidates, available, tasks } = this.#hostSet
    // All known tasks are ejected: others may be registered by now.
    if (available.length === 0 && tasks.length > 0)
      this.view.refreshEarly(hint.now, this.fallback === undefined)
    if (this.#hostSet.spills(hint, tried, preferFallback)) return this.#hostSet.acceptedFallback(hint)
    if (candidates !== available && candidates.length > 0) this.#beginPanic()
    // A retry goes to any zone: the zone may be what made the first attempt fail.
    const picked =
      tried.length === 0
        ? this.#picker.pickNearby(candidates, hint)
        : this.#picker.pick(
            candidates.filter((upstream) => !tried.includes(upstream)),
            hint,
          )
    if (picked !== undefined) return picked
    const fallback = this.#hostSet.acceptedFallback(hint)
    if (fallback !== undefined && !tried.includes(fallback)) return fallback
    return tried.length === 0 ? undefined : (this.#picker.pick(candidates, hint) ?? fallback)
  }

  /**
   * As `pick`, for the attempt that follows a failed one.
   * @param leaving the upstream where the failed attempt is still pending: its place is free for the next
   */
  pickAgain(
    hint: CallHint,
    tried: readonly Upstream[],
    preferFallback: boolean,
    leaving: Upstream | undefined,
  ): Upstream | undefined {
    leaving?.release()
    try {
      return this.pick(hint, tried, preferFallback)
    } finally {
      leaving?.reserve()
    }
  }

  /** Whether an upstream that was reserved can still be called: it may be ejected or deregistered by now. */
  isStillGood(upstream: Upstream): boolean {
    if (upstream === this.fallback) return true
    return this.#hostSet.candidates.includes(upstream)
  }

  /** Nothing was sent to the upstream that was picked for a call. If it was due for a probe, the next call probes. */
  notTried(upstream: Upstream, call: CallHint): void {
    upstream.ejection.endProbe(call)
    this.#hostSet.scheduleProbes()
  }

  /** Whether `maxPending` is the reason that nothing can be picked. */
  get isFull(): boolean {
    const { candidates } = this.#hostSet
    return candidates.length > 0 && candidates.every((upstream) => this.#picker.isFull(upstream))
  }

  /** Whether an attempt could go to an upstream that the call has not tried and that is not full. */
  hasUntried(tried: readonly Upstream[]): boolean {
    if (this.fallback !== undefined && !tried.includes(this.fallback)) return true
    return this.#hostSet.available.some(
      (upstream) => !this.#picker.isFull(upstream) && !tried.includes(upstream),
    )
  }

  /**
   * Records the outcome of one attempt, and a second one if the response breaks off after its headers.
   * @param startedAt when the attempt began, on the clock [the outcome's latency before `now`]
   * @param call what the upstream was picked for: a probe is ended by its own call alone
   */
  report(upstream: Upstream, outcome: Outcome, now: number, startedAt?: number, call?: object): void {
    if (!this.#health.record(upstream, outcome, now, startedAt, call)) return
    this.#picker.zones?.observe(upstream, outcome, now)
    this.#peersLatency.update(this.tasks, now)
  }

  #beginPanic(): void {
    if (this.#isPanicking) return
    this.#isPanicking = true
    const { length: total } = this.tasks
    const { host } = this.#options
    emit('onehop:cluster.panicked', () => ({ host, available: 0, total }))
  }

  /** Takes in another set. An endpoint that stays, by address and port, keeps its upstream. */
  #reconcile(endpoints: readonly Endpoint[], now: number): void {
    this.#endpoints = endpoints
    const previous = new Map(this.tasks.map((upstream) => [upstream.label, upstream]))
    const joined: Upstream[] = []
    const tasks = new Map<string, Upstream>()
    for (const endpoint of membersOf(endpoints, this.#options.subset, this.#callerLocality)) {
      const port = this.#options.portOf(endpoint)
      const label = formatAddressPort(endpoint.address, port)
      const known = previous.get(label)
      known?.update(endpoint)
      const upstream = known ?? new Upstream(endpoint, port, this.#peersLatency.ms, now)
      if (known === undefined) joined.push(upstream)
      tasks.set(label, upstream)
    }
    this.#hostSet.replace([...tasks.values()])
    this.#picker.moveTo(this.#callerLocality?.locality, now)
    // If all tasks are new, no others could take the calls of their slow start.
    if (joined.length < tasks.size) for (const upstream of joined) this.#slowStart.begin(upstream, now)
    this.#recount()
    for (const [label, upstream] of previous) if (!tasks.has(label)) this.#options.onDeparted(upstream)
  }

  #recount(): void {
    this.#hostSet.recount()
    const { tasks, available } = this.#hostSet
    // A task is readmitted or new: the next panic is another one.
    if (available.length > 0) this.#isPanicking = false
    this.#picker.zones?.recount(this.#endpoints ?? [], tasks, available, this.#callerLocality?.peers)
  }
}

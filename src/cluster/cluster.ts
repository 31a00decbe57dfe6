import type { Balancer, PickHint } from '../balancer/balancer.ts'
import { formatAddressPort } from '../core/ip.ts'
import type { Clock, Random } from '../core/clock.ts'
import { emit } from '../core/events.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Endpoint } from '../discovery/endpoint.ts'
import type { Witness } from '../discovery/sample-merger.ts'
import type { View } from '../discovery/view.ts'
import { Choice } from './picker.ts'
import { learn, type Judge } from './record-outcome.ts'
import { membersOf } from './members.ts'
import { isOutOfResources, isRefusedHere } from './health/own-failures.ts'
import { OutlierDetector, type OutlierOptions } from './health/outlier.ts'
import { Rotation } from './host-set.ts'
import { SlowStart } from './slow-start.ts'
import { Standpoint, type StandpointOptions } from './locality/caller-locality.ts'
import type { SubsetOptions } from './subset.ts'
import { Upstream } from './upstream.ts'
import { Zones } from './locality/zone-router.ts'

/** An address that answered this recently can be reached, though a connection to it fails. */
const REACHABLE_MS = 1_000

// The median of 1,000 estimates takes some 100 µs: often enough to follow a fleet, too rare to be felt.
const PEERS_EVERY_MS = 1_000

/** A fleet of clients that put a task out together must not probe it in step. */
const EJECTION_JITTER = 0.2

/** What dispatch tells of the call that it wants an upstream for. */
export type { PickHint }

export interface ClusterOptions {
  readonly host: string
  /** The port of an endpoint, from what the caller wrote, the options, or the endpoint itself. */
  readonly portOf: (endpoint: Endpoint) => number
  readonly fallback: Endpoint | undefined
  readonly balancer: Balancer
  /** undefined: only tasks that refuse connections are put out. */
  readonly outlier: OutlierOptions | undefined
  /** How long a task that joins, or is back, takes to get its whole share; 0: no time. */
  readonly slowStartMs: number
  /** Attempts that a task may have under way; Infinity: any number. */
  readonly maxPending: number
  /** undefined: all endpoints are called. */
  readonly subset: SubsetOptions | undefined
  /** undefined: zones do not matter. */
  readonly standpoint: StandpointOptions | undefined
  readonly clock: Clock
  readonly random: Random
  /** Told of every upstream that left the set, so that its connections can be drained. */
  readonly onDeparted: (upstream: Upstream) => void
}

/**
 * The upstreams of one service as one origin calls them: takes in snapshots, picks, and learns from outcomes.
 */
export class Cluster implements Witness {
  readonly #options: ClusterOptions
  readonly #view: View
  readonly #fallback: Upstream | undefined
  readonly #judge: Judge
  readonly #rotation: Rotation
  readonly #slowStart: SlowStart
  readonly #standpoint: Standpoint | undefined
  readonly #choice: Choice
  #endpoints: readonly Endpoint[] | undefined
  #peersMs = 0
  #peersAt = Number.NEGATIVE_INFINITY
  #panicking = false

  constructor(view: View, options: ClusterOptions) {
    this.#view = view
    this.#options = options
    const { fallback, clock, outlier, random, slowStartMs, standpoint } = options
    this.#judge =
      outlier === undefined ? undefined : new OutlierDetector(outlier, clock.now(), () => this.#underWay())
    this.#fallback =
      fallback === undefined ? undefined : new Upstream(fallback, options.portOf(fallback), 0, clock.now())
    this.#rotation = new Rotation(this.#fallback)
    this.#slowStart = new SlowStart(slowStartMs, random)
    this.#choice = new Choice(options.balancer, this.#slowStart, options.maxPending)
    this.#standpoint = standpoint === undefined ? undefined : new Standpoint(standpoint)
    view.addWitness(this)
  }

  /** No more calls are made with it: discovery need not ask it any more. */
  close(): void {
    this.#view.removeWitness(this)
  }

  *answeredSince(time: number): Iterable<Endpoint> {
    for (const upstream of this.tasks) if (upstream.answeredAt >= time) yield upstream.endpoint
  }

  get fallback(): Upstream | undefined {
    return this.#fallback
  }

  get tasks(): readonly Upstream[] {
    return this.#rotation.tasks
  }

  /** Share of the calls that goes straight to tasks, from 0 to 1. */
  get directShare(): number {
    return this.#rotation.directShare
  }

  /** How calls are divided between zones; undefined where the own zone is unknown, or does not matter. */
  get zones(): Zones | undefined {
    return this.#choice.zones
  }

  /** What a task takes of its share while it starts slowly, from 0.1 to 1. */
  slowStartShare(upstream: Upstream, now: number): number {
    return this.#slowStart.shareOf(upstream, now)
  }

  /** Whether a pick can be made now, without waiting for discovery. Marks the service as in use. */
  isCurrent(now: number): boolean {
    this.#view.usedAt = now
    if (now >= this.#view.usableUntil) return false
    const endpoints = this.#view.snapshot?.endpoints
    const stand = this.#standpoint
    if ((stand !== undefined && stand.hasChanged(now)) || endpoints !== this.#endpoints)
      this.#reconcile(endpoints ?? [], now)
    return true
  }

  /** Why discovery knows nothing, or nothing new; undefined when its last lookup succeeded. */
  get discoveryError(): Error | undefined {
    return this.#view.error
  }

  /** Waits for discovery. Resolves, also after a failure, as soon as `isCurrent` holds. */
  async ready(): Promise<void> {
    await this.#view.whenUsable()
  }

  /**
   * The upstream for the next attempt of a call, or undefined when there is none at all.
   * @param tried those that earlier attempts of the call went to; taken again only when nothing else is left
   * @param preferFallback for a last attempt after connect failures: the load balancer if there is one
   */
  pick(hint: PickHint, tried: readonly Upstream[], preferFallback: boolean): Upstream | undefined {
    // A retry wants certainty, so probes are sent with first attempts only. Their owner is the hint: the call itself.
    const probe = tried.length === 0 ? this.#rotation.takeProbe(hint) : undefined
    if (probe !== undefined) return probe
    const { candidates, available, tasks } = this.#rotation
    // Whoever is there by now: those that are known are not.
    if (available.length === 0 && tasks.length > 0)
      this.#view.refreshEarly(hint.now, this.#fallback === undefined)
    if (this.#spills(tried, preferFallback)) return this.#fallback
    if (candidates !== available && candidates.length > 0) this.#panic()
    // A retry goes to any zone: what made the first attempt fail may well be the zone.
    const chosen =
      tried.length === 0
        ? this.#choice.nearby(candidates, hint)
        : this.#choice.among(
            candidates.filter((upstream) => !tried.includes(upstream)),
            hint,
          )
    if (chosen !== undefined) return chosen
    const fallback = this.#fallback
    if (fallback !== undefined && !tried.includes(fallback)) return fallback
    return tried.length === 0 ? undefined : (this.#choice.among(candidates, hint) ?? fallback)
  }

  /**
   * As `pick`, for the attempt that follows one that failed.
   * @param leaving the upstream whose place the attempt that failed still holds: it is free for the next
   */
  pickAgain(
    hint: PickHint,
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

  /** Whether a place that was kept for an attempt is still one: what was picked may be out, or gone, since. */
  isStillGood(upstream: Upstream): boolean {
    if (upstream === this.#fallback) return true
    return this.#rotation.candidates.includes(upstream)
  }

  /** Nothing was sent to what was picked for a call: if it was to be probed, the next call does it. */
  notTried(upstream: Upstream, call: PickHint): void {
    upstream.ejection.endProbe(call)
    this.#rotation.scheduleProbes()
  }

  /** Whether it is `maxPending` that leaves nothing to pick. */
  get isFull(): boolean {
    const { candidates } = this.#rotation
    return candidates.length > 0 && candidates.every(({ pending }) => pending >= this.#options.maxPending)
  }

  /** Whether an attempt could go somewhere that the call has not been to, and that is not full. */
  hasUntried(tried: readonly Upstream[]): boolean {
    if (this.#fallback !== undefined && !tried.includes(this.#fallback)) return true
    const { maxPending } = this.#options
    return this.#rotation.available.some(
      (upstream) => upstream.pending < maxPending && !tried.includes(upstream),
    )
  }

  /**
   * Learns from one attempt: from its end, and once more from a response that breaks off after its headers.
   * @param startedAt when the attempt began, on the clock [as its latency says]
   * @param call what the upstream was picked for: a probe is ended by none but its own call
   */
  report(upstream: Upstream, outcome: Outcome, now: number, startedAt?: number, call?: object): void {
    const isProbe = upstream.ejection.endProbe(call)
    if (outcome.kind === 'response') upstream.refusedHere = false
    else if (outcome.kind !== 'cancelled' && this.#isOwnFailure(upstream, outcome, now)) {
      if (isProbe) this.#rotation.scheduleProbes()
      return
    }
    const judge = upstream === this.#fallback ? undefined : this.#judge
    const change = learn(upstream, outcome, now, judge, startedAt, isProbe)
    if (change.kind === 'ejected') this.#ejected(upstream, change.forMs, now)
    if (change.kind === 'outlier') this.#eject(upstream, change.reason, now)
    if (change.kind === 'readmitted') this.#readmitted(upstream, now)
    if (upstream.ejection.state === 'ejected') this.#rotation.scheduleProbes()
    this.#choice.zones?.observe(upstream, outcome, now)
    if (now - this.#peersAt > PEERS_EVERY_MS) this.#learnPeers(now)
  }

  /** It said with an answer that it is about to end: to be called before that answer is reported, and no failure. */
  markDraining(upstream: Upstream, now: number): void {
    // The load balancer passes on what one of the tasks behind it says of itself.
    if (upstream === this.#fallback) return
    const { cause } = upstream.ejection
    const forMs = upstream.ejection.markDraining(now)
    if (forMs !== undefined) this.#ejected(upstream, forMs, now)
    else if (cause !== 'drains') this.#recount()
  }

  /** Why nothing could be picked, for people: `0 of 6 endpoints can take the call (4 ejected, 2 tried)`. */
  describe(tried: readonly Upstream[]): string {
    const { tasks, available } = this.#rotation
    const ejected = tasks.length - available.length
    const parts =
      tasks.length === 0
        ? [`${this.#view.snapshot?.source ?? 'discovery'} names none`, ...this.#warning()]
        : [`${ejected} ejected`, `${tried.length} tried`]
    const able = available.filter((upstream) => !tried.includes(upstream)).length
    const fallback =
      this.#fallback === undefined ? 'no fallback configured' : `fallback ${this.#fallback.label}`
    return `${able} of ${tasks.length} endpoints can take the call (${parts.join(', ')}); ${fallback}`
  }

  /** Why discovery asked another source than it should, e.g. that the API knows no such service. */
  #warning(): readonly string[] {
    const warning = this.#view.snapshot?.warning
    return warning === undefined ? [] : [warning]
  }

  #spills(tried: readonly Upstream[], preferFallback: boolean): boolean {
    const fallback = this.#fallback
    if (fallback === undefined || tried.includes(fallback)) return false
    const { directShare } = this.#rotation
    if (directShare <= 0) return true
    // The load balancer itself is out, and tasks are there.
    if (fallback.ejection.state !== 'available') return false
    return preferFallback || (directShare < 1 && this.#options.random.next() >= directShare)
  }

  /**
   * Whether an attempt failed for what this process lacks. Where this host refuses to connect, that is so if it refuses
   * all addresses, or one that answers over connections it has (they are out of ports); else the address is to blame.
   */
  #isOwnFailure(upstream: Upstream, outcome: Outcome, now: number): boolean {
    if (isOutOfResources(outcome)) return true
    upstream.refusedHere = isRefusedHere(outcome)
    if (!upstream.refusedHere) return false
    if (now - upstream.answeredAt <= REACHABLE_MS) return true
    const fallback = this.#fallback
    const all = fallback === undefined ? this.tasks : [...this.tasks, fallback]
    if (all.length < 2 || !all.every(({ refusedHere }) => refusedHere)) return false
    this.#pardon(all, now)
    return true
  }

  /** No address can be reached from here: those that are out for it are no worse than the others. */
  #pardon(upstreams: readonly Upstream[], now: number): void {
    // Addresses of tasks that are gone may look the same.
    this.#view.refreshEarly(now, false)
    for (const { ejection, label } of upstreams) {
      if (ejection.state === 'available' || ejection.cause !== 'refuses') continue
      ejection.readmit(now)
      this.#tellReadmitted(label)
    }
    this.#recount()
  }

  #panic(): void {
    if (this.#panicking) return
    this.#panicking = true
    const { length: total } = this.tasks
    const { host } = this.#options
    emit('onehop:cluster.panicked', () => ({ host, available: 0, total }))
  }

  /** Puts out a task that fails, if that leaves enough. */
  #eject(upstream: Upstream, reason: string, now: number): void {
    const judge = this.#judge
    if (judge === undefined || !this.#rotation.mayPutOut(judge.options.maxEjectedRatio)) return
    const jitter = 1 + EJECTION_JITTER * (2 * this.#options.random.next() - 1)
    const forMs = upstream.ejection.failed(now, reason, judge.options, jitter)
    judge.ejected(upstream.answers, now)
    if (forMs !== undefined) this.#ejected(upstream, forMs, now)
  }

  #ejected(upstream: Upstream, forMs: number, now: number): void {
    this.#recount()
    if (upstream.ejection.cause !== 'fails') this.#view.refreshEarly(now, false)
    const { host } = this.#options
    const { label: name, ejection } = upstream
    emit('onehop:upstream.ejected', () => ({ host, upstream: name, reason: ejection.reason, forMs }))
  }

  #readmitted(upstream: Upstream, now: number): void {
    upstream.startAfresh(now)
    this.#slowStart.begin(upstream, now)
    this.#recount()
    this.#tellReadmitted(upstream.label)
  }

  #tellReadmitted(upstream: string): void {
    const { host } = this.#options
    emit('onehop:upstream.readmitted', () => ({ host, upstream }))
  }

  /** Takes in another set: those that stay keep their state, by address and port. */
  #reconcile(endpoints: readonly Endpoint[], now: number): void {
    this.#endpoints = endpoints
    const staying = new Map(this.tasks.map((upstream) => [upstream.label, upstream]))
    const joined: Upstream[] = []
    const tasks = new Map<string, Upstream>()
    const members = membersOf(endpoints, this.#options.subset, this.#standpoint)
    for (const endpoint of members) {
      const port = this.#options.portOf(endpoint)
      const label = formatAddressPort(endpoint.address, port)
      const known = staying.get(label)
      if (known !== undefined) known.endpoint = endpoint
      const upstream =
        known ?? new Upstream(endpoint, port, this.#peersMs, now, this.#judge?.options.windowMs)
      if (known === undefined) joined.push(upstream)
      tasks.set(label, upstream)
    }
    this.#rotation.tasks = [...tasks.values()]
    this.#stand(now)
    // Where all are new there is nobody to spare them.
    if (joined.length < tasks.size) for (const upstream of joined) this.#slowStart.begin(upstream, now)
    this.#recount()
    for (const [name, upstream] of staying) {
      if (tasks.has(name)) continue
      this.#options.onDeparted(upstream)
    }
  }

  /** Another place, another idea of near and far: what was learned of the old one is of no use. */
  #stand(now: number): void {
    const locality = this.#standpoint?.locality
    if (locality === this.#choice.zones?.locality) return
    const isKeyed = this.#options.balancer.keyOf !== undefined
    // Calls of one key go to one task, wherever it is.
    this.#choice.zones =
      locality === undefined || isKeyed ? undefined : new Zones(locality, this.#options.random, now)
  }

  #recount(): void {
    this.#rotation.recount()
    const { tasks, available } = this.#rotation
    // Whatever ended it, a task that came back or a new one: the next panic is another.
    if (available.length > 0) this.#panicking = false
    this.#choice.zones?.recount(this.#endpoints ?? [], tasks, available, this.#standpoint?.peers)
  }

  #underWay(): number {
    let calls = 0
    for (const { pending } of this.tasks) calls += pending
    return calls
  }

  #learnPeers(now: number): void {
    this.#peersAt = now
    const estimates = this.tasks
      .filter((upstream) => upstream.hasSamples)
      .map((upstream) => upstream.latencyMs(now))
      .toSorted((a, b) => a - b)
    this.#peersMs = estimates[Math.floor((estimates.length - 1) / 2)] ?? 0
    for (const upstream of this.tasks) upstream.peersMs = this.#peersMs
  }
}

/** One service, asked of DNS and of the Cloud Map API: which of them is due, and how long callers wait for which. */
import { abortable } from '../../core/async/abortable.ts'
import { settlesWithin } from '../../core/async/settles-within.ts'
import type { Clock, Random } from '../../core/clock.ts'
import { asError } from '../../core/errors.ts'
import { CloudMapError } from '../cloud-map/error.ts'
import { lacksPorts } from '../endpoint-set.ts'
import type { Snapshot } from '../endpoint.ts'
import type { LookupReason, Resolver } from '../resolver.ts'
import type { ServiceName } from '../service-name.ts'
import { answerOf } from './answer.ts'
import { ApiState, type CommonApiState } from './api-state.ts'
import { DnsState } from './dns-state.ts'
import { bringsPorts, PORTS_MS } from './ports-wait.ts'
import { ReadSchedule, type PaceOptions } from './read-schedule.ts'
import { SourceMerger, type Filter } from './source-merger.ts'

/** What the services of one client share. */
export interface SharedSources extends PaceOptions {
  /** The Cloud Map API: rejects with a `CloudMapError` where it knows why. */
  readonly api: Resolver & {
    /** Resolves when it can be called; rejects if it never will [at once]. */
    load?(): Promise<void>
  }
  readonly dns: Resolver
  readonly clock: Clock
  readonly random: Random
  /** Which instances the API is asked for, where DNS names all. */
  readonly filter: Filter
  readonly common: CommonApiState
  /** Ends the lookups under way. */
  readonly closing: AbortSignal
}

/** How long a lookup waits for a source while it could go on with the other. */
const HEAD_START_MS = 1_000
/** The API has answered: DNS takes a millisecond, or is not worth waiting for. */
const DNS_GRACE_MS = 50
/** While a lookup is under way that nothing waited for. */
const LOOK_BACK_MS = 1_000
/** Lookups of a service in use are not further apart: one takes up to 30 s, and the next waits for up to a minute. */
const PAUSE_MS = 90_000
/** After a pause of this length, nothing is known. */
const FORGET_AFTER_MS = 600_000
/** How long DNS may fail before the API decides alone. */
const DNS_OUTAGE_MS = 60_000

export class ServiceLookup {
  readonly #service: ServiceName
  readonly #shared: SharedSources
  readonly #api: ApiState
  readonly #dns = new DnsState()
  #merger: SourceMerger
  #schedule: ReadSchedule
  /** When the last lookup began, on the clock. */
  #begunAt = Number.NEGATIVE_INFINITY
  #apiFlight: Promise<void> | undefined
  #dnsFlight: Promise<void> | undefined

  constructor(service: ServiceName, shared: SharedSources) {
    this.#service = service
    this.#shared = shared
    this.#api = new ApiState(service.host, shared.filter, shared.common)
    this.#merger = new SourceMerger(shared.filter)
    this.#schedule = new ReadSchedule(shared.random, shared)
  }

  /** Asks what is due, and waits for it as long as callers should. */
  async resolve(signal: AbortSignal, reason: LookupReason): Promise<Snapshot> {
    const { clock, closing } = this.#shared
    this.#begin(clock.now(), reason)
    await abortable(abortable(this.#waitForSources(reason === 'ports'), signal), closing)
    return this.#snapshot(clock.now())
  }

  #begin(now: number, reason: LookupReason): void {
    if (reason === 'sign' || reason === 'urgent') {
      this.#schedule.addNews(now, reason === 'urgent' ? 'failing' : 'call')
      this.#dns.dueAt = Math.min(this.#dns.dueAt, now)
    }
    const pausedMs = now - this.#begunAt
    if (pausedMs > PAUSE_MS) this.#expire()
    if (pausedMs > FORGET_AFTER_MS) this.#forget()
    this.#begunAt = now
    if (now >= this.#apiDueAt)
      this.#apiFlight ??= this.#askApi().finally(() => {
        this.#apiFlight = undefined
      })
    if (now >= this.#dns.dueAt)
      this.#dnsFlight ??= this.#askDns().finally(() => {
        this.#dnsFlight = undefined
      })
  }

  /** The service was not in use: an address may be another service's by now. */
  #expire(): void {
    this.#api.isFresh = false
    this.#dns.answer = undefined
    this.#schedule.expire()
  }

  #forget(): void {
    this.#merger = new SourceMerger(this.#shared.filter)
    this.#schedule = new ReadSchedule(this.#shared.random, this.#shared)
  }

  get #apiDueAt(): number {
    // Callers have nothing at all: the API may be back any moment.
    if (!this.#merger.hasApi && !this.#hasDns) return this.#api.askAgainAt
    return Math.max(this.#api.askAgainAt, this.#schedule.dueAt)
  }

  /** Whether the API has answered, and was not given up. */
  get #hasApi(): boolean {
    return this.#merger.hasApi && this.#api.answer !== undefined && !this.#api.fellBack
  }

  /** Whether DNS alone would do. */
  get #hasDns(): boolean {
    return this.#dns.namesTasks && this.#shared.filter !== 'required'
  }

  get #knowsSomething(): boolean {
    return (this.#hasApi && this.#api.isFresh) || this.#hasDns
  }

  /** Settles when callers have waited long enough. */
  async #waitForSources(forPorts: boolean): Promise<void> {
    const { clock } = this.#shared
    const api = this.#apiFlight
    const dns = this.#dnsFlight
    if (api !== undefined) {
      const isDone = await (forPorts
        ? bringsPorts(api, this.#shared.api.load?.(), clock)
        : settlesWithin(clock, HEAD_START_MS, api))
      if (isDone && this.#api.error === undefined) {
        if (dns !== undefined) await settlesWithin(clock, DNS_GRACE_MS, dns)
        return
      }
      if (!isDone && !this.#merger.hasApi) this.#api.overdue(this.#slowError(forPorts), clock.now(), forPorts)
    }
    if (dns !== undefined && this.#knowsSomething) await settlesWithin(clock, HEAD_START_MS, dns)
    const flights = new Set([api, dns].filter((flight) => flight !== undefined))
    while (!this.#knowsSomething && flights.size > 0)
      await Promise.race(Array.from(flights, (flight) => flight.then(() => flights.delete(flight))))
  }

  async #askApi(): Promise<void> {
    const { api, clock, closing } = this.#shared
    const mustRead = this.#schedule.begin(clock.now())
    try {
      const answer = await api.resolve(this.#service, closing, mustRead ? 'sign' : 'expired')
      const now = clock.now()
      const before = this.#api.answer?.revision
      const isChange = this.#merger.mergeApi(answer, now)
      this.#api.answered(answer)
      this.#schedule.answered(now, {
        isChange,
        isMove: before !== undefined && answer.revision !== before,
        isEmpty: answer.endpoints.length === 0,
        isRead: mustRead || isChange,
        isWatched: this.#merger.isWatchedByDns && this.#dns.error === undefined,
      })
    } catch (cause) {
      if (closing.aborted) return
      this.#schedule.failed(clock.now())
      this.#api.failed(asError(cause), clock.now())
    }
  }

  async #askDns(): Promise<void> {
    const { dns, clock, closing } = this.#shared
    try {
      const answer = await dns.resolve(this.#service, closing)
      const now = clock.now()
      const wasWatched = this.#merger.isWatchedByDns
      const isNews = this.#merger.mergeDns(answer, now)
      this.#dns.answered(answer, now, (this.#api.answer?.endpoints.length ?? 0) > 0)
      if (wasWatched && !this.#merger.isWatchedByDns) this.#schedule.pollWithoutDns(now)
      else if (isNews) this.#schedule.addNews(now, 'dns')
    } catch (cause) {
      if (!closing.aborted) this.#dnsFailed(asError(cause), clock.now())
    }
  }

  #dnsFailed(error: Error, now: number): void {
    if (this.#dns.error === undefined && this.#merger.isWatchedByDns) this.#schedule.pollWithoutDns(now)
    const failingMs = this.#dns.failed(error, now, this.#hasApi, this.#shared.random)
    if (failingMs >= DNS_OUTAGE_MS) this.#merger.dropDns()
  }

  #snapshot(now: number): Snapshot {
    const snapshot = answerOf(
      {
        service: this.#service,
        merger: this.#merger,
        api: this.#api,
        dns: this.#dns,
        hasApi: this.#hasApi,
        apiDueAt: this.#apiDueAt,
      },
      now,
    )
    const lookBackAt = now + LOOK_BACK_MS
    const apiAt = this.#apiFlight === undefined ? this.#apiDueAt : lookBackAt
    const dnsAt = this.#dnsFlight === undefined ? this.#dns.dueAt : lookBackAt
    const awaitsPorts =
      this.#apiFlight !== undefined && this.#api.mayBringPorts && lacksPorts(snapshot.endpoints)
    return { ...snapshot, refreshAt: Math.min(apiAt, dnsAt), awaitsPorts: awaitsPorts ? true : undefined }
  }

  #slowError(forPorts: boolean): CloudMapError {
    const within = forPorts ? `${PORTS_MS} ms after the AWS SDK was loaded` : `${HEAD_START_MS} ms`
    const slow = `the Cloud Map API gave no answer in ${within}`
    return new CloudMapError(this.#service.host, 'outage', slow)
  }
}

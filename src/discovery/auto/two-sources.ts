/** One name, asked of DNS and of the Cloud Map API: which of them is due, and how long callers wait for which. */
import { abortable } from '../../core/async/abortable.ts'
import { settlesWithin } from '../../core/async/settles-within.ts'
import type { Clock, Random } from '../../core/clock.ts'
import { emit } from '../../core/events.ts'
import { CloudMapError } from '../cloud-map/error.ts'
import type { Snapshot } from '../endpoint.ts'
import type { LookupReason, Resolver } from '../resolver.ts'
import type { ServiceName } from '../service-name.ts'
import { answerOf } from './answer.ts'
import { ApiStanding, failureOf } from './api-fallback.ts'
import { DnsStanding } from './dns-standing.ts'
import { Picture, type Filter } from './picture.ts'
import { ReadSchedule, type PaceOptions } from './read-schedule.ts'

/** What the names of one client share. */
export interface SharedSources {
  readonly api: Resolver
  readonly dns: Resolver
  readonly clock: Clock
  readonly random: Random
  readonly pace: PaceOptions
  readonly filter: Filter
  /** How long a name is left to DNS before the API is asked again. */
  readonly retryApiMs: number
  /** How long a source may fail before the other decides alone. */
  readonly outageMs: number
  /** How long a lookup waits for a source while it could go on with the other. */
  readonly headStartMs: number
  /** Ends the lookups under way. */
  readonly closing: AbortSignal
  /** Credentials are the same for all names. */
  withoutCredentials: { readonly error: Error; readonly until: number } | undefined
}

/** The API has answered: DNS takes a millisecond, or is not worth waiting for. */
const DNS_GRACE_MS = 50
/** While a lookup is under way that nothing waited for. */
const LOOK_BACK_MS = 1_000
/** Lookups of a name in use are not further apart: one takes up to 30 s, and the next waits for up to a minute. */
const PAUSE_MS = 90_000
/** After a pause of this length, nothing is known. */
const FORGET_AFTER_MS = 600_000

export class TwoSources {
  readonly #service: ServiceName
  readonly #shared: SharedSources
  readonly #standing: ApiStanding
  #picture: Picture
  #schedule: ReadSchedule
  /** When the last lookup began, on the clock. */
  #begunAt = Number.NEGATIVE_INFINITY
  #apiFlight: Promise<void> | undefined
  /** Whether the picture has an answer of the API in it. */
  #isApiHeard = false
  /** Whether there is one since the last pause. */
  #isApiFresh = false
  readonly #dns = new DnsStanding()
  #dnsFlight: Promise<void> | undefined

  constructor(service: ServiceName, shared: SharedSources) {
    this.#service = service
    this.#shared = shared
    this.#standing = new ApiStanding(shared)
    this.#picture = new Picture(shared.filter)
    this.#schedule = new ReadSchedule(shared.random, shared.pace)
  }

  /** Asks what is due, and waits for it as long as callers should. */
  async resolve(signal: AbortSignal, reason: LookupReason): Promise<Snapshot> {
    const begunAt = this.#shared.clock.now()
    if (reason !== 'expired') {
      this.#schedule.hearNews(begunAt, reason === 'urgent' ? 'failing' : 'call')
      this.#dns.dueAt = Math.min(this.#dns.dueAt, begunAt)
    }
    this.#begin(begunAt)
    await abortable(abortable(this.#enough(), signal), this.#shared.closing)
    return this.#snapshot(this.#shared.clock.now())
  }

  #begin(now: number): void {
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

  /** The name was not in use: an address may be another service's by now. */
  #expire(): void {
    this.#isApiFresh = false
    this.#dns.forget()
    this.#schedule.expire()
  }

  #forget(): void {
    this.#isApiHeard = false
    this.#picture = new Picture(this.#shared.filter)
    this.#schedule = new ReadSchedule(this.#shared.random, this.#shared.pace)
  }

  get #apiDueAt(): number {
    const { withoutCredentials } = this.#shared
    const { askAgainAt } = this.#standing
    const allowedAt = Math.max(askAgainAt, withoutCredentials?.until ?? askAgainAt)
    // Callers have nothing at all: the API may be back any moment.
    if (!this.#isApiHeard && !this.#hasDns) return allowedAt
    return Math.max(allowedAt, this.#schedule.dueAt)
  }

  /** Whether the API has answered lately, and was not given up. */
  get #hasApi(): boolean {
    return this.#isApiHeard && this.#standing.answer !== undefined && !this.#standing.fellBack
  }

  get #knowsSomething(): boolean {
    return (this.#hasApi && this.#isApiFresh) || this.#hasDns
  }

  /** Whether DNS alone would do. */
  get #hasDns(): boolean {
    return this.#dns.namesTasks && this.#shared.filter !== 'required'
  }

  /** Settles when callers have waited long enough. */
  async #enough(): Promise<void> {
    const { clock, headStartMs } = this.#shared
    const api = this.#apiFlight
    const dns = this.#dnsFlight
    if (api !== undefined) {
      const isDone = await settlesWithin(clock, headStartMs, api)
      if (isDone && this.#standing.error === undefined) {
        if (dns !== undefined) await settlesWithin(clock, DNS_GRACE_MS, dns)
        return
      }
      if (!isDone && !this.#isApiHeard) this.#leaveToDns(this.#slowError())
    }
    if (dns !== undefined && this.#knowsSomething) await settlesWithin(clock, headStartMs, dns)
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
      this.#isApiHeard = true
      this.#isApiFresh = true
      const isChange = this.#picture.hearApi(answer, now)
      const before = this.#standing.answer?.revision
      const isMove = before !== undefined && answer.revision !== before
      this.#shared.withoutCredentials = undefined
      this.#standing.answered(answer)
      this.#schedule.answered(now, {
        isChange,
        isMove,
        isEmpty: answer.endpoints.length === 0,
        isRead: mustRead || isChange,
        isWatched: this.#picture.isWatchedByDns && this.#dns.error === undefined,
      })
      this.#recover()
    } catch (cause) {
      if (closing.aborted) return
      this.#schedule.failed(clock.now())
      this.#leaveToDns(asError(cause))
    }
  }

  async #askDns(): Promise<void> {
    const { dns, clock, closing } = this.#shared
    try {
      const answer = await dns.resolve(this.#service, closing)
      const now = clock.now()
      const wasWatched = this.#picture.isWatchedByDns
      const isNews = this.#picture.hearDns(answer, now)
      this.#dns.answered(answer, now, (this.#standing.answer?.endpoints.length ?? 0) > 0)
      if (wasWatched && !this.#picture.isWatchedByDns) this.#schedule.watchAlone(now)
      else if (isNews) this.#schedule.hearNews(now, 'dns')
    } catch (cause) {
      if (!closing.aborted) this.#dnsFailed(asError(cause), clock.now())
    }
  }

  #dnsFailed(error: Error, now: number): void {
    const { random, outageMs } = this.#shared
    if (this.#dns.error === undefined && this.#picture.isWatchedByDns) this.#schedule.watchAlone(now)
    const failingMs = this.#dns.failed(error, now, this.#hasApi, random)
    if (failingMs >= outageMs) this.#picture.dnsIsSilent()
  }

  #snapshot(now: number): Snapshot {
    return answerOf(
      {
        service: this.#service,
        picture: this.#picture,
        api: this.#standing,
        hasApi: this.#hasApi,
        apiDueAt: this.#apiDueAt,
        apiError: this.#standing.error ?? this.#shared.withoutCredentials?.error,
        dns: this.#dns,
        refreshAt: this.#refreshAt(now),
      },
      now,
    )
  }

  #refreshAt(now: number): number {
    const lookBackAt = now + LOOK_BACK_MS
    return Math.min(
      this.#apiFlight === undefined ? this.#apiDueAt : lookBackAt,
      this.#dnsFlight === undefined ? this.#dns.dueAt : lookBackAt,
    )
  }

  /** Records a failure of the API, which may leave the name to DNS. */
  #leaveToDns(error: Error): void {
    const { clock, retryApiMs } = this.#shared
    const { host } = this.#service
    const now = clock.now()
    if (!this.#standing.failed(error, now)) return
    if (failureOf(error) === 'no-credentials' && this.#standing.answer === undefined)
      this.#shared.withoutCredentials = { error, until: now + retryApiMs }
    if (this.#standing.fellBack) return
    this.#standing.fellBack = true
    emit('onehop:discovery.fell-back', () => ({ host, from: 'cloud-map', to: 'dns', error }))
  }

  #recover(): void {
    if (!this.#standing.fellBack) return
    this.#standing.fellBack = false
    const { host } = this.#service
    emit('onehop:discovery.recovered', () => ({ host, from: 'dns', to: 'cloud-map' }))
  }

  #slowError(): CloudMapError {
    const { headStartMs } = this.#shared
    const slow = `the Cloud Map API gave no answer in ${headStartMs} ms`
    return new CloudMapError(this.#service.host, 'outage', slow)
  }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error(String(cause))
}

import { emit } from '../../core/events.ts'
import { CloudMapError, type CloudMapFailure } from '../cloud-map/error.ts'
import type { Endpoint, Snapshot } from '../endpoint.ts'
import { commonPort, withPort, type Filter } from './source-merger.ts'

/** How long a service is left to DNS before the API is asked again. */
const RETRY_MS = 60_000
/** How long the API may fail for a service that it knew, before DNS decides alone. */
const OUTAGE_MS = 60_000

/** What holds for all services of a client, which ask one API. */
export interface CommonApiState {
  /** Credentials are the same for all: why none of them asks; undefined: they are there, for all that is known. */
  credentialsError: Error | undefined
  /** Until then, on the clock. */
  credentialsUntil: number
  /** Since its last answer it has failed, or let calls wait in vain: no more of them wait for ports. */
  isUnreliable: boolean
}

/** Before any answer. */
export function newCommonApiState(): CommonApiState {
  return { credentialsError: undefined, credentialsUntil: Number.NEGATIVE_INFINITY, isUnreliable: false }
}

/** What the Cloud Map API said of one service, and whether DNS is asked instead. Times on the clock. */
export class ApiState {
  /** The API's last answer. It has more than DNS, and holds until there is a newer one. */
  answer: Snapshot | undefined
  /** Why it does not answer now; undefined while it does. */
  error: Error | undefined
  /** Whether it has answered since the last pause. */
  isFresh = false
  /** DNS is asked instead, which an event has reported. */
  fellBack = false
  readonly #host: string
  readonly #filter: Filter
  readonly #common: CommonApiState
  /** It has answered or failed. */
  #isHeard = false
  #askAgainAt = Number.NEGATIVE_INFINITY
  #failingSince: number | undefined

  /** @param filter DNS names all instances: with `required`, those that the API has named go on */
  constructor(host: string, filter: Filter, common: CommonApiState) {
    this.#host = host
    this.#filter = filter
    this.#common = common
  }

  /** Until then DNS is asked alone. */
  get askAgainAt(): number {
    return Math.max(this.#askAgainAt, this.#common.credentialsUntil)
  }

  /** Why DNS is asked, if it is: `error`, or that of another service whose credentials are the same. */
  get reason(): Error | undefined {
    return this.error ?? this.#common.credentialsError
  }

  /** Whether a call that is under way is the first, and worth waiting for. */
  get mayBringPorts(): boolean {
    return !this.#isHeard && !this.#common.isUnreliable
  }

  answered(snapshot: Snapshot): void {
    this.answer = snapshot
    this.error = undefined
    this.isFresh = true
    this.#failingSince = undefined
    this.#isHeard = true
    Object.assign(this.#common, newCommonApiState())
    if (!this.fellBack) return
    this.fellBack = false
    emit('onehop:discovery.recovered', () => ({ host: this.#host, from: 'dns', to: 'cloud-map' }))
  }

  /** Records a failure, which may leave the service to DNS. */
  failed(error: Error, now: number): void {
    this.#isHeard = true
    const failure = failureOf(error)
    if (failure === 'outage' || failure === 'no-credentials') this.#common.isUnreliable = true
    this.#goWithout(error, now)
  }

  /**
   * A lookup waits no longer for its first answer, which leaves the service to DNS. It may still come.
   * @param forPorts calls have waited for it as long as they do
   */
  overdue(error: Error, now: number, forPorts: boolean): void {
    this.#common.isUnreliable ||= forPorts
    this.#goWithout(error, now)
  }

  #goWithout(error: Error, now: number): void {
    this.error = error
    this.#failingSince ??= now
    const failure = failureOf(error)
    // The API says so with authority: if DNS does not know the name either, it has no endpoints.
    if (failure === 'unknown-name') this.answer = undefined
    // Credentials that were there a while ago: an outage of what hands them out.
    const passes = failure === 'outage' || failure === 'no-credentials'
    if (passes && this.answer !== undefined && now - this.#failingSince < OUTAGE_MS) return
    // With an outage and no answer ever, each lookup asks: the API may be back any moment.
    if (failure !== 'outage' || this.answer !== undefined) this.#askAgainAt = now + RETRY_MS
    if (failure === 'no-credentials' && this.answer === undefined) {
      this.#common.credentialsError = error
      this.#common.credentialsUntil = now + RETRY_MS
    }
    if (this.fellBack) return
    this.fellBack = true
    emit('onehop:discovery.fell-back', () => ({ host: this.#host, from: 'cloud-map', to: 'dns', error }))
  }

  /** Whether it proves that there are no endpoints, if DNS names none. */
  allowsEmpty(): boolean {
    // Namespaces without DNS are not known to DNS, whatever is in them.
    if (this.answer !== undefined) return this.answer.endpoints.length === 0
    return this.error === undefined || failureOf(this.error) !== 'outage'
  }

  /**
   * Endpoints from DNS with what the API reported of them: port, zone, weight. Where it reported one port for all, a
   * new address has that port, too. What it excludes is left out, unless that is all: DNS may know the other address of
   * each task only.
   */
  completed(endpoints: readonly Endpoint[]): readonly Endpoint[] {
    const { endpoints: known = [], excluded = [] } = this.answer ?? {}
    const port = commonPort(known)
    const callable = endpoints.filter(({ address }) => !excluded.includes(address))
    return (callable.length > 0 ? callable : endpoints).flatMap((fromDns) => {
      const same = known.filter(
        (endpoint) =>
          endpoint.address === fromDns.address &&
          (fromDns.port === undefined || fromDns.port === endpoint.port),
      )
      if (same.length > 0) return same
      return this.#filter === 'required' ? [] : withPort(fromDns, port)
    })
  }
}

function failureOf(error: Error): CloudMapFailure {
  return error instanceof CloudMapError ? error.failure : 'outage'
}

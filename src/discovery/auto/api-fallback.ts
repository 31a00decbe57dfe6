import { CloudMapError, type CloudMapFailure } from '../cloud-map/error.ts'
import type { Endpoint, Snapshot } from '../endpoint.ts'
import { commonPort, type Filter } from './picture.ts'

export interface StandingOptions {
  /** How long a name is left to DNS before the API is asked again. */
  readonly retryApiMs: number
  /** How long the API may fail for a name that it knew, before DNS is asked. */
  readonly outageMs: number
  /** DNS names all instances: with `required`, those that the API has named go on. */
  readonly filter: Filter
}

/** How one name stands with the Cloud Map API: what it said last, and whom to ask now. */
export class ApiStanding {
  readonly #options: StandingOptions
  /** The API's last answer. It has more than DNS, and holds until there is a newer one. */
  answer: Snapshot | undefined
  /** Why it does not answer now; undefined while it does. */
  error: Error | undefined
  /** DNS is asked instead, which was said by an event. */
  fellBack = false
  /** Until then DNS is asked alone; on the clock. */
  askAgainAt: number = Number.NEGATIVE_INFINITY
  #failingSince: number | undefined

  constructor(options: StandingOptions) {
    this.#options = options
  }

  answered(snapshot: Snapshot): void {
    this.answer = snapshot
    this.error = undefined
    this.#failingSince = undefined
  }

  /** Records a failure. @returns whether DNS takes this lookup */
  failed(error: Error, now: number): boolean {
    this.error = error
    this.#failingSince ??= now
    const kind = failureOf(error)
    // The API says so with authority: if DNS does not know the name either, there are no endpoints.
    if (kind === 'unknown-name') this.answer = undefined
    // Credentials that were there a while ago: an outage of what hands them out.
    const passes = kind === 'outage' || kind === 'no-credentials'
    const isLeft = !passes || this.answer === undefined || now - this.#failingSince >= this.#options.outageMs
    // With an outage and no answer ever, each lookup asks: the API may be back any moment.
    if (isLeft && (kind !== 'outage' || this.answer !== undefined))
      this.askAgainAt = now + this.#options.retryApiMs
    return isLeft
  }

  /** Whether it proves that there are no endpoints, if DNS names none. */
  believesNothing(): boolean {
    // Namespaces without DNS are not known to DNS, whatever is in them.
    if (this.answer !== undefined) return this.answer.endpoints.length === 0
    return this.error === undefined || failureOf(this.error) !== 'outage'
  }

  /**
   * Endpoints from DNS with what the API reported of them: port, zone, weight. Where it reported one port for all, a
   * new address has that port, too: tasks of one service listen on the same. What it excludes is left out, unless that
   * is all: DNS may know the other address of each task only.
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
      if (this.#options.filter === 'required') return []
      return fromDns.port === undefined && port !== undefined ? { ...fromDns, port } : fromDns
    })
  }
}

export function failureOf(error: Error): CloudMapFailure {
  return error instanceof CloudMapError ? error.failure : 'outage'
}

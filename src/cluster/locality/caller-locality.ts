import type { Endpoint } from '../../discovery/endpoint.ts'
import type { View } from '../../discovery/view.ts'
import { Locality, type TaskLocation } from './locality.ts'

/** Where a client stands, as others tell it: at once, later, or never. */
export interface LocationSource {
  /** undefined: not known, or not known yet. Another object whenever it changes. */
  readonly location: TaskLocation | undefined
}

export interface StandpointOptions {
  readonly source: LocationSource
  /** The service that this process is a task of; undefined: not told. */
  readonly peers: View | undefined
}

/** From where a client calls, and who else does: what the choice of zones and of a subset goes by. */
export class Standpoint {
  readonly #source: LocationSource
  readonly #view: View | undefined
  #location: TaskLocation | undefined
  #locality: Locality | undefined
  #peers: readonly Endpoint[] | undefined
  #asking = false

  constructor({ source, peers }: StandpointOptions) {
    this.#source = source
    this.#view = peers
  }

  /** undefined where nothing is known of the own location. */
  get locality(): Locality | undefined {
    return this.#locality
  }

  /** All tasks of the own service, or a sample of them; undefined where they are not known. */
  get peers(): readonly Endpoint[] | undefined {
    return this.#peers
  }

  /** All of them; undefined where some may be missing. */
  get allPeers(): readonly Endpoint[] | undefined {
    return this.#view?.snapshot?.complete === true ? this.#peers : undefined
  }

  /** Takes in what is new. Calls do not wait for it: until it is known they go anywhere. */
  hasChanged(now: number): boolean {
    const { location } = this.#source
    const peers = this.#peersNow(now)
    if (location === this.#location && peers === this.#peers) return false
    if (location !== this.#location)
      this.#locality = location === undefined ? undefined : new Locality(location)
    this.#location = location
    this.#peers = peers
    return true
  }

  #peersNow(now: number): readonly Endpoint[] | undefined {
    const view = this.#view
    if (view === undefined) return undefined
    view.usedAt = now
    if (now >= view.usableUntil && !this.#asking) void this.#ask(view)
    const endpoints = view.snapshot?.endpoints
    return endpoints === undefined || endpoints.length === 0 ? undefined : endpoints
  }

  async #ask(view: View): Promise<void> {
    this.#asking = true
    try {
      await view.whenUsable()
    } catch {
      // Closed. Why a lookup failed stands in `view.error`, and in the event of it.
    } finally {
      this.#asking = false
    }
  }
}

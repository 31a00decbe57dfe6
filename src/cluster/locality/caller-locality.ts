import type { Endpoint } from '../../discovery/endpoint.ts'
import type { View } from '../../discovery/view.ts'
import { Locality, type TaskLocation } from './locality.ts'

/** Reports where the caller runs: at once, later, or never. */
export interface LocationSource {
  /** undefined: unknown so far. Another object whenever it changes. */
  readonly location: TaskLocation | undefined
}

export interface CallerLocalityOptions {
  readonly source: LocationSource
  /** The service that this process is a task of; undefined: not configured. */
  readonly peers: View | undefined
}

/** The caller's location and its peers: what zone routing and subsets depend on. */
export class CallerLocality {
  readonly #source: LocationSource
  readonly #view: View | undefined
  #location: TaskLocation | undefined
  #locality: Locality | undefined
  #peers: readonly Endpoint[] | undefined
  #isLookingUp = false

  constructor({ source, peers }: CallerLocalityOptions) {
    this.#source = source
    this.#view = peers
  }

  /** undefined while the caller's location is unknown. */
  get locality(): Locality | undefined {
    return this.#locality
  }

  /** Tasks of the caller's service, or a sample of them; undefined while unknown. */
  get peers(): readonly Endpoint[] | undefined {
    return this.#peers
  }

  /** All tasks of the caller's service; undefined if some may be missing. */
  get allPeers(): readonly Endpoint[] | undefined {
    return this.#view?.snapshot?.complete === true ? this.#peers : undefined
  }

  /**
   * Takes in the current location and peers, and looks up the peers if they are stale. Calls do not wait for that.
   * @returns whether something has changed
   */
  refresh(now: number): boolean {
    const { location } = this.#source
    const peers = this.#refreshPeers(now)
    if (location === this.#location && peers === this.#peers) return false
    if (location !== this.#location)
      this.#locality = location === undefined ? undefined : new Locality(location)
    this.#location = location
    this.#peers = peers
    return true
  }

  #refreshPeers(now: number): readonly Endpoint[] | undefined {
    const view = this.#view
    if (view === undefined) return undefined
    if (!view.touch(now) && !this.#isLookingUp) void this.#lookUp(view)
    const endpoints = view.snapshot?.endpoints
    return endpoints === undefined || endpoints.length === 0 ? undefined : endpoints
  }

  async #lookUp(view: View): Promise<void> {
    this.#isLookingUp = true
    try {
      await view.whenUsable()
    } catch {
      // The client is closed. A failed lookup does not throw: `view.error` and an event report it.
    } finally {
      this.#isLookingUp = false
    }
  }
}

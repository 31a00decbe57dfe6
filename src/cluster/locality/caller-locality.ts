import type { Endpoint } from '../../discovery/endpoint.ts'
import type { View } from '../../discovery/view/view.ts'
import { Locality, type TaskLocation } from './locality.ts'

/** Reports where the caller runs: at once, later, or never. */
export interface LocationSource {
  /** undefined: unknown so far. Another object whenever it changes. */
  readonly location: TaskLocation | undefined
}

export interface CallerLocalityOptions {
  readonly source: LocationSource
  /** What the user configured [all from the source]. */
  readonly configured?: ConfiguredZone | undefined
  /** The service that this process is a task of; undefined: not configured. */
  readonly peers: View | undefined
}

/** What the user configured; undefined fields come from the task metadata. */
export interface ConfiguredZone {
  readonly own: string | undefined
  readonly subnets: TaskLocation['subnets'] | undefined
}

/** The caller's location and its peers: what zone routing and subsets depend on. */
export class CallerLocality {
  readonly #options: CallerLocalityOptions
  #location: TaskLocation | undefined
  #locality: Locality | undefined
  #peers: readonly Endpoint[] | undefined
  #isLookingUp = false

  constructor(options: CallerLocalityOptions) {
    this.#options = options
    this.#locality = localityOf(undefined, options.configured)
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
    return this.#options.peers?.snapshot?.complete === true ? this.#peers : undefined
  }

  /**
   * Takes in the current location and peers, and looks up the peers if they are stale. Calls do not wait for that.
   * @returns whether something has changed
   */
  refresh(now: number): boolean {
    const { source, configured } = this.#options
    const { location } = source
    const peers = this.#refreshPeers(now)
    if (location === this.#location && peers === this.#peers) return false
    if (location !== this.#location) this.#locality = localityOf(location, configured)
    this.#location = location
    this.#peers = peers
    return true
  }

  #refreshPeers(now: number): readonly Endpoint[] | undefined {
    const view = this.#options.peers
    if (view === undefined) return undefined
    if (!view.touch(now) && !this.#isLookingUp) {
      this.#isLookingUp = true
      const over = (): void => void (this.#isLookingUp = false)
      // It rejects if the client is closed. A failed lookup is an event, and `view.error`.
      view.whenUsable().then(over, over)
    }
    const endpoints = view.snapshot?.endpoints
    return endpoints === undefined || endpoints.length === 0 ? undefined : endpoints
  }
}

/** The location as configured, completed by the task metadata. */
function localityOf(
  location: TaskLocation | undefined,
  { own, subnets }: Partial<ConfiguredZone> = {},
): Locality | undefined {
  if (location === undefined && own === undefined && subnets === undefined) return undefined
  return new Locality({
    zone: own ?? location?.zone,
    subnets: subnets ?? location?.subnets ?? [],
    instanceId: location?.instanceId,
    addresses: location?.addresses ?? [],
  })
}

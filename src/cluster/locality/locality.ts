import type { BlockList } from 'node:net'
import { canonicalAddress, familyOf, rangesOf, type Cidr } from '../../core/cidr.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'

/** Where the caller runs, as far as it is known. */
export interface TaskLocation {
  /** Availability zone, e.g. `eu-west-1b`. */
  readonly zone: string | undefined
  /** The caller's subnets. A subnet lies in one zone. */
  readonly subnets: readonly Cidr[]
  /** The caller's id in Cloud Map, if it is registered. */
  readonly instanceId: string | undefined
  readonly addresses: readonly string[]
}

/** Zone unknown, but not the caller's. No zone has this name. */
export const ELSEWHERE = ''

/** Finds the zone of an endpoint, relative to one location. */
export class Locality {
  /** The caller's zone; `own subnet` if its name is unknown. */
  readonly own: string
  readonly #zone: string | undefined
  readonly #subnets: BlockList
  readonly #addresses: ReadonlySet<string>
  readonly #instanceId: string | undefined

  constructor(location: TaskLocation) {
    this.#addresses = new Set(location.addresses.map(canonicalAddress))
    this.#instanceId = location.instanceId
    this.#zone = location.zone
    this.own = location.zone ?? 'own subnet'
    this.#subnets = rangesOf(location.subnets)
  }

  /** As discovery reports it. DNS reports none: then the address shows whether it is the caller's zone. */
  zoneOf(endpoint: Endpoint): string {
    const { zone, address } = endpoint
    if (zone !== undefined && this.#zone !== undefined) return zone
    if (this.#subnets.check(address, familyOf(address))) return this.own
    return zone ?? ELSEWHERE
  }

  /** Whether the endpoint is the caller itself. */
  isSelf({ address, id }: Endpoint): boolean {
    return this.#addresses.has(canonicalAddress(address)) || (id !== undefined && id === this.#instanceId)
  }
}

import type { BlockList } from 'node:net'
import { canonicalAddress, familyOf, rangesOf, type Cidr } from '../../core/cidr.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'

/** Where this process runs, as far as it knows. */
export interface TaskLocation {
  /** `eu-west-1b` */
  readonly zone: string | undefined
  /** That it is in: a subnet lies in one zone. */
  readonly subnets: readonly Cidr[]
  /** What it is known by in Cloud Map, where it is registered itself. */
  readonly instanceId: string | undefined
  readonly addresses: readonly string[]
}

/** The zone of endpoints of which is known only that it is not one's own. No zone is called so. */
export const ELSEWHERE = ''

/** Tells in which zone endpoints are, as seen from one place. */
export class Locality {
  /** The own zone; `own subnet` where its name is unknown. */
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

  /** What discovery says; where it says nothing, as DNS does, the address tells whether it is the own zone. */
  zoneOf(endpoint: Endpoint): string {
    const { zone, address } = endpoint
    if (zone !== undefined && this.#zone !== undefined) return zone
    if (this.#subnets.check(address, familyOf(address))) return this.own
    return zone ?? ELSEWHERE
  }

  /** Whether an endpoint is this process itself. */
  isSelf({ address, id }: Endpoint): boolean {
    return this.#addresses.has(canonicalAddress(address)) || (id !== undefined && id === this.#instanceId)
  }
}

import { isIPv4, isIPv6 } from 'node:net'
import { canonicalHost, isDnsName } from '../../../discovery/service-name.ts'
import { invalidInput } from '../cloud-map/aws-error.ts'
import { shuffled } from '../chance.ts'
import { DEFAULT_SOA_TTL_SECONDS, type Service } from '../model.ts'
import type { Registry } from '../registry.ts'
import type { DnsFaults } from './faults.ts'
import { NO_RECORDS, type Found, type Lookup, type ResourceRecord } from './resource-record.ts'
import { namesOf, serviceRecords } from './service-records.ts'

interface Zone {
  readonly name: string
  readonly soaTtlSeconds: number
}

/** Route 53's own, for the zones that it hosts. */
const NAME_SERVER = 'ns-1536.awsdns-00.co.uk'
const NS_TTL_SECONDS = 172_800
// What Route 53 writes for a new zone. Names that are not there are remembered for the smaller of the
// record's TTL and `minimum` (RFC 2308 section 5), which is the TTL.
const ROUTE_53_SOA = {
  mname: NAME_SERVER,
  rname: 'awsdns-hostmaster.amazon.com',
  serial: 1,
  refresh: 7200,
  retry: 900,
  expire: 1_209_600,
  minimum: 86_400,
}
// A chain longer than that is a circle.
const MAX_CNAMES = 8

/** What the DNS server knows: the private namespaces of a registry, and names that were added by hand. */
export class Zones {
  readonly #registry: Registry
  readonly #faults: DnsFaults
  /** Records added by hand, by canonical name. Each such name is a zone, unless it lies in a namespace. */
  readonly #plain = new Map<string, ResourceRecord[]>()

  constructor(registry: Registry, faults: DnsFaults) {
    this.#registry = registry
    this.#faults = faults
  }

  /**
   * Sets the records of one type of a name; an empty set takes them away.
   * @throws AwsError `InvalidInput`
   */
  set(name: string, type: 'A' | 'AAAA' | 'CNAME', data: readonly string[], ttlSeconds: number): void {
    const isOfType = { A: isIPv4, AAAA: isIPv6, CNAME: isDnsName }[type]
    if (!isDnsName(canonicalHost(name))) throw invalidInput(`"${name}" is not a valid DNS name`)
    for (const entry of data)
      if (!isOfType(entry)) throw invalidInput(`"${entry}" cannot stand in ${type} records of ${name}`)
    const key = canonicalHost(name)
    const others = (this.#plain.get(key) ?? []).filter((record) => record.type !== type)
    const records = [...others, ...data.map((entry) => ({ type, name: key, ttl: ttlSeconds, data: entry }))]
    if (records.length > 0) this.#plain.set(key, records)
    else this.#plain.delete(key)
  }

  /** @param name as it was asked for, in any case */
  lookup(name: string, type: string): Lookup {
    const key = canonicalHost(name)
    const zone = this.#zoneOf(key)
    if (zone === undefined) return { ...NO_RECORDS, rcode: 'REFUSED' }
    const { answers, additionals } = this.#follow(key, type, zone)
    if (answers.length > 0) {
      const asAsked = answers.map((record) => (record.name === key ? { ...record, name } : record))
      return { rcode: 'NOERROR', answers: asAsked, authorities: [], additionals }
    }
    const rcode = key === zone.name || this.#exists(key) ? 'NOERROR' : 'NXDOMAIN'
    return { rcode, answers, authorities: [soa(zone)], additionals: [] }
  }

  /** The records of a name; or its CNAME, and the records that it leads to within these zones. */
  #follow(key: string, type: string, zone: Zone): Found {
    const answers: ResourceRecord[] = []
    let owner = key
    for (let links = 0; links < MAX_CNAMES; links++) {
      const found = this.#at(owner, type, zone)
      if (found.answers.length > 0)
        return { answers: [...answers, ...found.answers], additionals: found.additionals }
      const [cname] = this.#at(owner, 'CNAME', zone).answers
      if (cname?.type !== 'CNAME') break
      answers.push(cname)
      owner = canonicalHost(cname.data)
    }
    return { answers, additionals: [] }
  }

  #at(key: string, type: string, zone: Zone): Found {
    if (key === zone.name && type === 'SOA') return { answers: [soa(zone)], additionals: [] }
    if (key === zone.name && type === 'NS') {
      const ns = { type, name: key, ttl: NS_TTL_SECONDS, data: NAME_SERVER } as const
      return { answers: [ns], additionals: [] }
    }
    const plain = this.#plain.get(key)?.filter((record) => record.type === type) ?? []
    if (plain.length > 0) return { answers: shuffled(this.#registry.random, plain), additionals: [] }
    for (const service of this.#shown) {
      const found = serviceRecords(service, key, type, this.#registry.random)
      if (found.answers.length > 0) return found
    }
    return NO_RECORDS
  }

  get #shown(): readonly Service[] {
    const { lagMs } = this.#faults
    return this.#registry.services.map((service) => this.#registry.history.before(service, lagMs))
  }

  #zoneOf(key: string): Zone | undefined {
    const namespaces = this.#registry.namespaces
      .filter(({ type }) => type === 'DNS_PRIVATE')
      .map(({ name, soaTtlSeconds }) => ({ name: canonicalHost(name), soaTtlSeconds }))
    const plain = Array.from(this.#plain.keys(), (name) => ({ name, soaTtlSeconds: DEFAULT_SOA_TTL_SECONDS }))
    return innermost(namespaces, key) ?? innermost(plain, key)
  }

  /** A name is there, too, when another lies below it (RFC 8020). */
  #exists(key: string): boolean {
    const below = `.${key}`
    const isThere = (name: string): boolean => name === key || name.endsWith(below)
    return (
      [...this.#plain.keys()].some(isThere) || this.#shown.some((service) => namesOf(service).some(isThere))
    )
  }
}

function soa({ name, soaTtlSeconds }: Zone): ResourceRecord {
  return { type: 'SOA', name, ttl: soaTtlSeconds, data: ROUTE_53_SOA }
}

/** The longest name that a name lies in. */
function innermost(zones: readonly Zone[], key: string): Zone | undefined {
  return zones
    .filter(({ name }) => key === name || key.endsWith(`.${name}`))
    .toSorted((one, other) => other.name.length - one.name.length)[0]
}

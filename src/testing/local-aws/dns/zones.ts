import { isIPv4, isIPv6 } from 'node:net'
import type { Random } from '../../../core/clock.ts'
import { canonicalHost, isDnsName } from '../../../discovery/service-name.ts'
import { invalidInput } from '../cloud-map/aws-error.ts'
import { shuffled } from '../chance.ts'
import { DEFAULT_SOA_TTL_SECONDS, type Service } from '../model.ts'
import type { Registry } from '../registry.ts'
import type { Lookup, ResourceRecord } from './resource-record.ts'
import { namesOf, serviceRecords } from './service-records.ts'

interface Zone {
  readonly name: string
  readonly soaTtlSeconds: number
}

/** Route 53's own, for the zones that it hosts. */
const NAME_SERVER = 'ns-1536.awsdns-00.co.uk'
const NS_TTL_SECONDS = 172_800
// A chain longer than that is a circle.
const MAX_CNAMES = 8

/** What the DNS server knows: the private namespaces of a registry, and names that were added by hand. */
export class Zones {
  /** How far the records of services are behind the registry. */
  lagMs: () => number = () => 0
  readonly #registry: Registry
  readonly #random: Random
  /** Records added by hand, by canonical name. Each such name is a zone, unless it lies in a namespace. */
  readonly #plain = new Map<string, ResourceRecord[]>()

  constructor(registry: Registry, random: Random) {
    this.#registry = registry
    this.#random = random
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
    const records = [...others, ...data.map((entry) => ({ name: key, ttlSeconds, type, data: entry }))]
    if (records.length > 0) this.#plain.set(key, records)
    else this.#plain.delete(key)
  }

  /** @param name as it was asked for, in any case */
  lookup(name: string, type: string): Lookup {
    const key = canonicalHost(name)
    const zone = this.#zoneOf(key)
    if (zone === undefined) return { rcode: 'REFUSED', answers: [], authorities: [], additionals: [] }
    const { answers, additionals } = this.#follow(key, type, zone)
    if (answers.length > 0) {
      const asAsked = answers.map((record) => (record.name === key ? { ...record, name } : record))
      return { rcode: 'NOERROR', answers: asAsked, authorities: [], additionals }
    }
    const rcode = key === zone.name || this.#exists(key) ? 'NOERROR' : 'NXDOMAIN'
    return { rcode, answers, authorities: [soa(zone)], additionals: [] }
  }

  /** The records of a name; or its CNAME, and the records that it leads to within these zones. */
  #follow(key: string, type: string, zone: Zone): Pick<Lookup, 'answers' | 'additionals'> {
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

  #at(key: string, type: string, zone: Zone): Pick<Lookup, 'answers' | 'additionals'> {
    if (key === zone.name && type === 'SOA') return { answers: [soa(zone)], additionals: [] }
    if (key === zone.name && type === 'NS') {
      const ns = { name: key, ttlSeconds: NS_TTL_SECONDS, type: 'NS' as const, data: NAME_SERVER }
      return { answers: [ns], additionals: [] }
    }
    const plain = this.#plain.get(key)?.filter((record) => record.type === type) ?? []
    if (plain.length > 0) return { answers: shuffled(this.#random, plain), additionals: [] }
    for (const service of this.#shown) {
      const found = serviceRecords(service, key, type, this.#random)
      if (found.answers.length > 0) return found
    }
    return { answers: [], additionals: [] }
  }

  get #shown(): readonly Service[] {
    const lagMs = this.lagMs()
    return this.#registry.services.map((service) => this.#registry.history.before(service, lagMs))
  }

  #zoneOf(key: string): Zone | undefined {
    let found: Zone | undefined
    const consider = (name: string, soaTtlSeconds: number): void => {
      const inIt = key === name || key.endsWith(`.${name}`)
      if (inIt && name.length > (found?.name.length ?? 0)) found = { name, soaTtlSeconds }
    }
    for (const { name, type, soaTtlSeconds } of this.#registry.namespaces)
      if (type === 'DNS_PRIVATE') consider(canonicalHost(name), soaTtlSeconds)
    if (found === undefined) for (const name of this.#plain.keys()) consider(name, DEFAULT_SOA_TTL_SECONDS)
    return found
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

/** The numbers that stand in it are in dns-message.ts: no answer of this server has others. */
function soa({ name, soaTtlSeconds }: Zone): ResourceRecord {
  return { name, ttlSeconds: soaTtlSeconds, type: 'SOA' }
}

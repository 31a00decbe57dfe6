/**
 * Two sources, one picture: which endpoints a name has, where DNS and the Cloud Map API differ.
 *
 * Each change reaches one source first. So where they differ about an address, the one that changed last is right:
 * - the API at once, because it is the registry that DNS is made from;
 * - DNS at once about an address that the API has never named, which is a new task;
 * - DNS about all else when it still says so after a minute. Until then it may be a resolver that serves old answers, and
 *   the API decides.
 *
 * A source that never changes its mind (one that is stale) decides nothing, and one that is late repeats what the other
 * has said: endpoints do not go back and forth between two truths. A source that names nothing has no say while the
 * other names tasks. Pure: time is an argument.
 */
import { isIP } from 'node:net'
import { placeOf, sameEndpoints } from '../endpoint-set.ts'
import type { Endpoint, Snapshot } from '../endpoint.ts'

/** For so long DNS alone is not believed; as long as sources may be behind each other. */
export const ALONE_MS = 60_000
/** What no source has named for so long is forgotten. */
const REMEMBERED_MS = 600_000
/** A sample that lacks an address by chance may do so again. Rarer than this, it is a sign that the address has left. */
const RARE = 1e-4

/** What a source says of one address, and since when, on the clock. -Infinity: since before anything was asked. */
interface Word {
  readonly named: boolean
  readonly since: number
}

const UNHEARD: Word = { named: false, since: Number.NEGATIVE_INFINITY }

interface Entry {
  dns: Word
  api: Word
  /** As DNS named it last. */
  fromDns: Endpoint | undefined
  /** As the API described it last: one address may have several ports. Empty if it never named it. */
  fromApi: readonly Endpoint[]
  /** Samples in a row that lack it. */
  missed: number
  /** When a source named it last. */
  namedAt: number
}

/**
 * Which instances the API names:
 * - `none`: all
 * - `preferred`: those with certain attributes, or all if there are none (`optionalParameters`)
 * - `required`: those with certain attributes (`queryParameters`)
 */
export type Filter = 'none' | 'preferred' | 'required'

export class Picture {
  readonly #filter: Filter
  readonly #entries = new Map<string, Entry>()
  /** Whether DNS names ports (SRV): then it speaks of places, and else of addresses. */
  #hasPorts = false
  #dnsAnswer: Snapshot | undefined
  #dnsHeardAt = Number.NEGATIVE_INFINITY
  #apiAnswer: Snapshot | undefined

  /** @param filter with one, DNS adds no instances, but still shows that something changed */
  constructor(filter: Filter = 'none') {
    this.#filter = filter
  }

  /** DNS has been silent for long: the API decides alone until it answers again. */
  dnsIsSilent(): void {
    this.#dnsAnswer = undefined
  }

  /** Whether DNS names tasks, so that changes show there. */
  get isWatchedByDns(): boolean {
    return (this.#dnsAnswer?.endpoints.length ?? 0) > 0
  }

  /**
   * Takes an answer of DNS in.
   * @returns whether it says something new that the API has not said: time to read it
   */
  hearDns(whole: Snapshot, now: number): boolean {
    const isFirst = this.#dnsAnswer === undefined
    const answer = { ...whole, endpoints: whole.endpoints.filter((endpoint) => this.#isComparable(endpoint)) }
    this.#dnsAnswer = answer
    this.#dnsHeardAt = now
    if (answer.endpoints.length > 0)
      this.#speakOfPlaces(answer.endpoints.some(({ port }) => port !== undefined))
    let isNews = false
    const named = new Map(answer.endpoints.map((endpoint) => [this.#keyOf(endpoint), endpoint]))
    for (const [key, endpoint] of named) {
      const entry = this.#entryOf(key)
      // What DNS has named all along is no change.
      const since = isFirst ? Number.NEGATIVE_INFINITY : now
      if (!entry.dns.named) {
        entry.dns = { named: true, since }
        isNews ||= !entry.api.named
      }
      entry.fromDns = endpoint
      entry.missed = 0
      entry.namedAt = now
    }
    const known = answer.complete ? 0 : this.#countNamed()
    for (const [key, entry] of this.#entries) {
      if (named.has(key)) continue
      if (answer.complete) {
        if (!entry.dns.named) continue
        entry.dns = { named: false, since: now }
        isNews ||= entry.api.named
      } else if (entry.api.named || entry.dns.named) {
        entry.missed++
        // Each sample lacks an address that is there with the chance 1 - 8/n.
        if ((1 - Math.min(1, named.size / known)) ** entry.missed >= RARE) continue
        entry.missed = 0
        if (entry.api.named) isNews = true
        // Only samples have named it.
        else entry.dns = { named: false, since: now }
      }
    }
    this.#forget(now)
    return isNews && !isFirst
  }

  /**
   * Takes an answer of the API in.
   * @returns whether it differs from the one before
   */
  hearApi(answer: Snapshot, now: number): boolean {
    const previous = this.#apiAnswer
    this.#apiAnswer = answer
    const byKey = Map.groupBy(answer.endpoints, (endpoint) => this.#keyOf(endpoint))
    for (const [key, endpoints] of byKey) {
      const entry = this.#entryOf(key)
      if (!entry.api.named) entry.api = { named: true, since: now }
      entry.fromApi = endpoints
      entry.missed = 0
      entry.namedAt = now
    }
    for (const address of answer.excluded ?? []) this.#entries.delete(address)
    // What its first answer lacks, it lacks as a change: it knows better than DNS.
    for (const [key, entry] of this.#entries)
      if (!byKey.has(key) && (entry.api.named || previous === undefined))
        entry.api = { named: false, since: now }
    this.#forget(now)
    return previous === undefined || !sameEndpoints(previous.endpoints, answer.endpoints)
  }

  /** All endpoints, with what the API knows of them. A new address has its peers' port if that is one. */
  endpoints(): readonly Endpoint[] {
    const members = [...this.#entries.values()].filter((entry) => this.#isMember(entry))
    const port = commonPort(this.#apiAnswer?.endpoints ?? [])
    return members.flatMap(({ fromApi, fromDns }) => {
      if (fromApi.length > 0 || fromDns === undefined) return fromApi
      return fromDns.port === undefined && port !== undefined ? { ...fromDns, port } : fromDns
    })
  }

  #isMember({ api, dns, fromApi }: Entry): boolean {
    if (!this.isWatchedByDns) return api.named
    if (this.#filter !== 'required' && (this.#apiAnswer?.endpoints.length ?? 0) === 0) return dns.named
    if (api.named === dns.named || dns.since <= api.since) return api.named
    const isNew = dns.named && fromApi.length === 0
    if (isNew && this.#filter !== 'none') return false
    return isNew || this.#dnsHeardAt >= dns.since + ALONE_MS ? dns.named : api.named
  }

  /** What the API excludes (`WEIGHT` 0, the other address of a task that has two) is no change when DNS names it. */
  #isComparable({ address }: Endpoint): boolean {
    const { endpoints = [], excluded = [] } = this.#apiAnswer ?? {}
    if (excluded.includes(address)) return false
    return endpoints.length === 0 || endpoints.some((known) => isIP(known.address) === isIP(address))
  }

  #countNamed(): number {
    let count = 0
    for (const { api, dns } of this.#entries.values()) if (api.named || dns.named) count++
    return count
  }

  #keyOf(endpoint: Endpoint): string {
    return this.#hasPorts ? placeOf(endpoint) : endpoint.address
  }

  #entryOf(key: string): Entry {
    const entry = this.#entries.get(key) ?? {
      dns: UNHEARD,
      api: UNHEARD,
      fromDns: undefined,
      fromApi: [],
      missed: 0,
      namedAt: 0,
    }
    this.#entries.set(key, entry)
    return entry
  }

  /** With another kind of record, DNS begins anew, and the API has said what it said. */
  #speakOfPlaces(hasPorts: boolean): void {
    if (hasPorts === this.#hasPorts) return
    this.#hasPorts = hasPorts
    const answer = this.#apiAnswer
    this.#entries.clear()
    this.#apiAnswer = undefined
    if (answer !== undefined) this.hearApi(answer, Number.NEGATIVE_INFINITY)
  }

  #forget(now: number): void {
    for (const [key, { api, namedAt }] of this.#entries)
      if (!api.named && now - namedAt > REMEMBERED_MS) this.#entries.delete(key)
  }
}

/** Tasks of one service usually listen on the same port. */
export function commonPort(endpoints: readonly Endpoint[]): number | undefined {
  const ports = new Set(endpoints.map(({ port }) => port))
  const [port] = ports.size === 1 ? ports : []
  return port
}

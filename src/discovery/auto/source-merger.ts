/**
 * Which endpoints a service has, where DNS and the Cloud Map API differ.
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

/** How long DNS alone is not believed: as long as one source may be behind the other. */
export const DNS_ALONE_MS = 60_000
/** What no source has named for this long is forgotten. */
const REMEMBERED_MS = 600_000
/** Samples lack an address that is there, again and again, with some probability. Below this one, it has left. */
const MIN_PROBABILITY = 1e-4

/** What a source says of one address, and since when, on the clock. -Infinity: since before anything was asked. */
interface Claim {
  readonly named: boolean
  readonly since: number
}

const NO_CLAIM: Claim = { named: false, since: Number.NEGATIVE_INFINITY }

interface Entry {
  dns: Claim
  api: Claim
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

export class SourceMerger {
  readonly #filter: Filter
  readonly #entries = new Map<string, Entry>()
  /** Whether DNS names ports (SRV): then it speaks of places, and else of addresses. */
  #hasPorts = false
  /** That can be compared with those of the API; undefined before DNS has answered. */
  #dnsEndpoints: readonly Endpoint[] | undefined
  #dnsAnsweredAt = Number.NEGATIVE_INFINITY
  #apiAnswer: Snapshot | undefined

  /** @param filter with one, DNS adds no instances, but still shows that something changed */
  constructor(filter: Filter = 'none') {
    this.#filter = filter
  }

  /** DNS has failed for long: the API decides alone until it answers again. */
  dropDns(): void {
    this.#dnsEndpoints = undefined
  }

  /** Whether the API has answered. */
  get hasApi(): boolean {
    return this.#apiAnswer !== undefined
  }

  /** Whether DNS names tasks, so that changes show there. */
  get isWatchedByDns(): boolean {
    return (this.#dnsEndpoints?.length ?? 0) > 0
  }

  /** @returns whether DNS says something new that the API has not said: time to read it */
  mergeDns(answer: Snapshot, now: number): boolean {
    const isFirst = this.#dnsEndpoints === undefined
    const endpoints = answer.endpoints.filter((endpoint) => this.#isComparable(endpoint))
    this.#dnsEndpoints = endpoints
    this.#dnsAnsweredAt = now
    if (endpoints.length > 0) this.#compareByPorts(endpoints.some(({ port }) => port !== undefined))
    let isNews = false
    const named = new Map(endpoints.map((endpoint) => [this.#keyOf(endpoint), endpoint]))
    for (const [key, endpoint] of named) {
      const entry = this.#entryOf(key)
      if (!entry.dns.named) {
        // What DNS has named all along is not a change.
        entry.dns = { named: true, since: isFirst ? Number.NEGATIVE_INFINITY : now }
        isNews ||= !entry.api.named
      }
      entry.fromDns = endpoint
      entry.missed = 0
      entry.namedAt = now
    }
    const total = answer.complete ? 0 : [...this.#entries.values()].filter(isNamed).length
    for (const [key, entry] of this.#entries) {
      if (named.has(key)) continue
      const hasLeft = answer.complete ? entry.dns.named : countMissed(entry, named.size / total)
      if (!hasLeft) continue
      isNews ||= entry.api.named
      // What the API names is news when samples lack it, and no more.
      if (answer.complete || !entry.api.named) entry.dns = { named: false, since: now }
    }
    this.#forget(now)
    return isNews && !isFirst
  }

  /** @returns whether the API's answer differs from the one before */
  mergeApi(answer: Snapshot, now: number): boolean {
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
    return members.flatMap(({ fromApi, fromDns }) =>
      fromApi.length > 0 || fromDns === undefined ? fromApi : withPort(fromDns, port),
    )
  }

  #isMember({ api, dns, fromApi }: Entry): boolean {
    if (!this.isWatchedByDns) return api.named
    if (this.#filter !== 'required' && (this.#apiAnswer?.endpoints.length ?? 0) === 0) return dns.named
    if (api.named === dns.named || dns.since <= api.since) return api.named
    const isNew = dns.named && fromApi.length === 0
    if (isNew && this.#filter !== 'none') return false
    return isNew || this.#dnsAnsweredAt >= dns.since + DNS_ALONE_MS ? dns.named : api.named
  }

  /** What the API excludes (`WEIGHT` 0, the other address of a task that has two) is not a change when DNS names it. */
  #isComparable({ address }: Endpoint): boolean {
    const { endpoints = [], excluded = [] } = this.#apiAnswer ?? {}
    if (excluded.includes(address)) return false
    return endpoints.length === 0 || endpoints.some((known) => isIP(known.address) === isIP(address))
  }

  #keyOf(endpoint: Endpoint): string {
    return this.#hasPorts ? placeOf(endpoint) : endpoint.address
  }

  #entryOf(key: string): Entry {
    const entry = this.#entries.get(key) ?? {
      dns: NO_CLAIM,
      api: NO_CLAIM,
      fromDns: undefined,
      fromApi: [],
      missed: 0,
      namedAt: 0,
    }
    this.#entries.set(key, entry)
    return entry
  }

  /** With another kind of record, DNS begins anew, and the API has said what it said. */
  #compareByPorts(hasPorts: boolean): void {
    if (hasPorts === this.#hasPorts) return
    this.#hasPorts = hasPorts
    const answer = this.#apiAnswer
    this.#entries.clear()
    this.#apiAnswer = undefined
    if (answer !== undefined) this.mergeApi(answer, Number.NEGATIVE_INFINITY)
  }

  #forget(now: number): void {
    for (const [key, { api, namedAt }] of this.#entries)
      if (!api.named && now - namedAt > REMEMBERED_MS) this.#entries.delete(key)
  }
}

function isNamed({ api, dns }: Entry): boolean {
  return api.named || dns.named
}

/**
 * Counts a sample that lacks an address.
 * @param share of the addresses that the sample has
 * @returns whether it has been missed so often that it is not there
 */
function countMissed(entry: Entry, share: number): boolean {
  if (!isNamed(entry)) return false
  entry.missed++
  if ((1 - Math.min(1, share)) ** entry.missed >= MIN_PROBABILITY) return false
  entry.missed = 0
  return true
}

/** The port of all of them, if that is one: tasks of one service usually listen on the same. */
export function commonPort(endpoints: readonly Endpoint[]): number | undefined {
  const ports = new Set(endpoints.map(({ port }) => port))
  const [port] = ports.size === 1 ? ports : []
  return port
}

/** An endpoint whose port is not known, with that of its peers. */
export function withPort(endpoint: Endpoint, port: number | undefined): Endpoint {
  return endpoint.port === undefined && port !== undefined ? { ...endpoint, port } : endpoint
}

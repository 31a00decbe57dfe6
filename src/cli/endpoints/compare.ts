/** DNS and the API side by side: one row for each endpoint, and where they differ, why. */
import { formatAddressPort } from '../../core/ip.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import type { ApiAnswer, ApiEndpoint } from './api-answer.ts'
import type { DnsAnswer } from './dns-answer.ts'

/** Why an endpoint is in one answer and not in the other. */
export type Difference =
  /** Unhealthy, so DNS leaves it out as long as others are healthy. */
  | 'unhealthy'
  /** DNS answers with 8 records of a larger set. */
  | 'sample'
  /** Registered, but DNS does not have it yet. */
  | 'not-in-dns'
  /** DNS still names what is not registered any more. */
  | 'stale-dns'
  /** SRV names another port than the registration. */
  | 'port'

/** One endpoint, from both sources. */
export interface Row {
  readonly address: string
  readonly port: number | undefined
  readonly zone: string | undefined
  readonly weight: number
  /** undefined where the API was not asked, does not answer, or does not know the endpoint. */
  readonly health: ApiEndpoint['health'] | undefined
  readonly id: string | undefined
  readonly sources: readonly ('dns' | 'api')[]
  readonly difference: Difference | undefined
  /** The difference in words. */
  readonly why: string | undefined
}

/** What each source says; undefined where it was not asked, or failed. */
export interface Answers {
  readonly dns: DnsAnswer | undefined
  readonly api: ApiAnswer | undefined
}

/** Whether callers notice: those of DNS would call a task that is gone, or not call one that is there. */
export function isFinding(difference: Difference | undefined): boolean {
  return difference === 'stale-dns' || difference === 'not-in-dns' || difference === 'port'
}

/** All endpoints of both sources, by address and port. */
export function compare({ dns, api }: Answers): readonly Row[] {
  const left = new Set(dns?.endpoints)
  const take = (endpoint: Endpoint): Endpoint | undefined => {
    const same = [...left].filter(({ address }) => address === endpoint.address)
    // One address may have several ports.
    const found = same.find(({ port }) => port === undefined || port === endpoint.port) ?? same[0]
    if (found !== undefined && found.port !== undefined) left.delete(found)
    return found
  }
  const matched = new Set<Endpoint>()
  const rows = (api?.endpoints ?? []).map((registered): Row => {
    const named = take(registered.endpoint)
    if (named !== undefined) matched.add(named)
    return rowOf(registered, named, dns, api)
  })
  const stale = (dns?.endpoints ?? []).filter((endpoint) => !matched.has(endpoint))
  return [...rows, ...stale.map((endpoint) => dnsRow(endpoint, dns, api))].toSorted(byAddress)
}

function rowOf(
  { endpoint, health }: ApiEndpoint,
  named: Endpoint | undefined,
  dns: DnsAnswer | undefined,
  api: ApiAnswer | undefined,
): Row {
  const difference = dns === undefined ? undefined : differenceOf(endpoint, health, named, dns, api)
  return {
    address: endpoint.address,
    port: endpoint.port,
    zone: endpoint.zone,
    weight: endpoint.weight,
    health,
    id: endpoint.id,
    sources: named === undefined ? ['api'] : ['dns', 'api'],
    difference,
    why: difference === undefined ? undefined : explain(difference, dns, named),
  }
}

function differenceOf(
  endpoint: Endpoint,
  health: ApiEndpoint['health'],
  named: Endpoint | undefined,
  dns: DnsAnswer,
  api: ApiAnswer | undefined,
): Difference | undefined {
  if (named !== undefined)
    return named.port !== undefined && endpoint.port !== undefined && named.port !== endpoint.port
      ? 'port'
      : undefined
  // Without any the whole source is to be explained, and not each endpoint: an HTTP namespace has no DNS.
  if (dns.endpoints.length === 0) return undefined
  const someAreHealthy = api?.endpoints.some((other) => other.health !== 'UNHEALTHY') ?? false
  if (health === 'UNHEALTHY' && someAreHealthy) return 'unhealthy'
  return dns.isSample ? 'sample' : 'not-in-dns'
}

/** Of an endpoint that only DNS has. */
function dnsRow(endpoint: Endpoint, dns: DnsAnswer | undefined, api: ApiAnswer | undefined): Row {
  const difference = api === undefined ? undefined : 'stale-dns'
  return {
    address: endpoint.address,
    port: endpoint.port,
    zone: undefined,
    weight: endpoint.weight,
    health: undefined,
    id: endpoint.id,
    sources: ['dns'],
    difference,
    why: difference === undefined ? undefined : explain(difference, dns, endpoint),
  }
}

function explain(difference: Difference, dns: DnsAnswer | undefined, named: Endpoint | undefined): string {
  const ttl = `${Math.ceil((dns?.ttlMs ?? 0) / 1000)} s`
  switch (difference) {
    case 'unhealthy':
      return 'unhealthy: DNS and clients leave it out while others are healthy'
    case 'sample':
      return 'not in this answer: DNS names 8 healthy tasks at random'
    case 'not-in-dns':
      return `not in DNS yet: resolvers keep the old answer for up to ${ttl}`
    case 'stale-dns':
      return `stale: not registered any more, and DNS names it for up to ${ttl}`
    case 'port':
      return `SRV names port ${named?.port}, which is not the registered one`
  }
}

/** By address as numbers, then port, so that the order is the same each time. */
function byAddress(one: Row, other: Row): number {
  const place = ({ address, port }: Row): string => formatAddressPort(address, port)
  return place(one).localeCompare(place(other), 'en', { numeric: true })
}

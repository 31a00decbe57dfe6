/** DNS and the API side by side: one row for each endpoint, and where they differ, why. */
import { formatAddressPort } from '../../core/ip.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import { seconds } from '../terminal/counted.ts'
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

/** An endpoint as the API has it, as DNS has it, or both. */
type Pair =
  | { readonly registered: ApiEndpoint; readonly named: Endpoint | undefined }
  | { readonly registered: undefined; readonly named: Endpoint }

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
  const registrations = (api?.endpoints ?? []).map((registered) => ({
    registered,
    named: take(registered.endpoint),
  }))
  const matched = new Set(registrations.map(({ named }) => named))
  const others = (dns?.endpoints ?? [])
    .filter((named) => !matched.has(named))
    .map((named) => ({ registered: undefined, named }))
  return [...registrations, ...others].map((pair) => rowOf(pair, { dns, api })).toSorted(byAddress)
}

function rowOf(pair: Pair, answers: Answers): Row {
  const { registered, named } = pair
  const { address, port, zone, weight, id } = registered === undefined ? pair.named : registered.endpoint
  const difference = differenceOf(pair, answers)
  return {
    ...{ address, port, zone, weight, health: registered?.health, id },
    sources: registered === undefined ? ['dns'] : named === undefined ? ['api'] : ['dns', 'api'],
    difference,
    why: difference === undefined ? undefined : explain(difference, answers.dns?.ttlMs ?? 0, named?.port),
  }
}

function differenceOf({ registered, named }: Pair, { dns, api }: Answers): Difference | undefined {
  if (dns === undefined || api === undefined) return undefined
  if (registered === undefined) return 'stale-dns'
  const { port } = registered.endpoint
  if (named !== undefined)
    return named.port !== undefined && port !== undefined && named.port !== port ? 'port' : undefined
  // Without any the whole source is to be explained, and not each endpoint: an HTTP namespace has no DNS.
  if (dns.endpoints.length === 0) return undefined
  const someAreHealthy = api.endpoints.some(({ health }) => health !== 'UNHEALTHY')
  if (registered.health === 'UNHEALTHY' && someAreHealthy) return 'unhealthy'
  return dns.isSample ? 'sample' : 'not-in-dns'
}

/** @param namedPort that DNS has */
function explain(difference: Difference, ttlMs: number, namedPort: number | undefined): string {
  switch (difference) {
    case 'unhealthy':
      return 'unhealthy: DNS and clients leave it out while others are healthy'
    case 'sample':
      return 'not in this answer: DNS names 8 healthy tasks at random'
    case 'not-in-dns':
      return `not in DNS yet: resolvers keep the old answer for up to ${seconds(ttlMs)}`
    case 'stale-dns':
      return `stale: not registered any more, and DNS names it for up to ${seconds(ttlMs)}`
    case 'port':
      return `SRV names port ${namedPort}, which is not the registered one`
  }
}

/** By address as numbers, then port, so that the order is the same each time. */
function byAddress(one: Row, other: Row): number {
  return placeOf(one).localeCompare(placeOf(other), 'en', { numeric: true })
}

/** `10.0.11.42:8080` */
export function placeOf({ address, port }: Pick<Row, 'address' | 'port'>): string {
  return formatAddressPort(address, port)
}

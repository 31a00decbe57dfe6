/** What the records of a DNS answer say. */
import { ResolutionFailedError } from '../../core/errors.ts'
import { taskEndpoint, type Endpoint } from '../endpoint.ts'
import type { DnsAnswer, DnsRecord } from './wire/message.ts'

/** Longer chains of aliases are loops or mistakes (resolvers draw the line between 8 and 16). */
export const MAX_ALIASES = 8

/** RFC 2308 section 5: a negative answer without an SOA is not to be kept. The floor of TTLs applies. */
const NEGATIVE_WITHOUT_SOA_MS = 0

/** Where a name leads to within an answer, and for how long that holds. */
export function followAliases(
  records: readonly DnsRecord[],
  name: string,
): { readonly name: string; readonly ttlMs: number } {
  let end = name
  let ttlMs = Number.POSITIVE_INFINITY
  for (let followed = 0; followed < MAX_ALIASES; followed++) {
    const alias = records.find((record) => record.type === 'CNAME' && record.name === end)
    if (alias?.type !== 'CNAME') return { name: end, ttlMs }
    end = alias.target
    ttlMs = Math.min(ttlMs, alias.ttlSeconds * 1000)
  }
  throw new ResolutionFailedError(name, `DNS leads from alias to alias, ${MAX_ALIASES} times and more`)
}

export function addressesOf(records: readonly DnsRecord[]): readonly Endpoint[] {
  const addresses = records.flatMap((record) => ('address' in record ? [record.address] : []))
  return [...new Set(addresses)].map((address) => taskEndpoint(address))
}

export function shortestTtlMs(records: readonly DnsRecord[]): number {
  return Math.min(...records.map((record) => record.ttlSeconds)) * 1000
}

/** RFC 2308 section 5: the lesser of the SOA's own TTL and its MINIMUM. */
export function negativeTtlMs(answer: DnsAnswer): number {
  const soa = soaOf(answer)
  return soa === undefined ? NEGATIVE_WITHOUT_SOA_MS : Math.min(soa.ttlSeconds, soa.minimumSeconds) * 1000
}

export function soaOf({ authorities }: DnsAnswer): Extract<DnsRecord, { type: 'SOA' }> | undefined {
  return authorities.find((record) => record.type === 'SOA')
}

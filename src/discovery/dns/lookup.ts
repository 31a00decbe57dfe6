/**
 * What DNS says of a name: the endpoints of one kind of record, or that there are none, and for how long.
 */
import { isIP } from 'node:net'
import { ResolutionFailedError } from '../../core/errors.ts'
import type { DnsAnswer, DnsRecord, DnsType } from './wire/message.ts'
import { taskEndpoint, type Endpoint } from '../endpoint.ts'

/** Asks one question; rejects with a `ResolutionFailedError`, or the signal's reason. */
export type Ask = (name: string, type: DnsType) => Promise<DnsAnswer>

export type AddressType = 'A' | 'AAAA'

/** Lookups by name, and what came of each; undefined for one that is not waited for. */
export type LookUpAll = (
  lookUps: ReadonlyMap<string, (ask: Ask) => Promise<Found>>,
) => Promise<ReadonlyMap<string, PromiseSettledResult<Found> | undefined>>

export interface Found {
  readonly endpoints: readonly Endpoint[]
  /** Not clamped. */
  readonly ttlMs: number
  /** false: part of the set is not known, because one of several questions failed, or its answer is late. */
  readonly complete: boolean
  /** The name does not exist at all, so that asking for other types is of no use (RFC 8020). */
  readonly nonexistent: boolean
}

/** Route 53 answers with 8 healthy records of a larger set, chosen anew each time. */
const SAMPLE_SIZE = 8

/**
 * Twice as many as Cloud Map has instances in a service. One message can name a thousand ports of one target
 * with a thousand addresses: a million endpoints without a bound.
 */
const MAX_ENDPOINTS = 2000

/** Longer chains of aliases are loops or mistakes (resolvers draw the line between 8 and 16). */
const MAX_ALIASES = 8

/** RFC 2308 section 5: a negative answer without an SOA is not to be kept. The floor of TTLs applies. */
const NEGATIVE_WITHOUT_SOA_MS = 0

/** The addresses of a name, through aliases in the answer and beyond it. */
export async function lookUpAddresses(ask: Ask, name: string, type: AddressType): Promise<Found> {
  let current = name
  let ttlMs = Number.POSITIVE_INFINITY
  for (let asked = 0; asked < MAX_ALIASES; asked++) {
    const answer = await ask(current, type)
    const alias = followAliases(answer.answers, current)
    ttlMs = Math.min(ttlMs, alias.ttlMs)
    const records = answer.answers.filter((record) => record.type === type && record.name === alias.name)
    if (records.length > 0) return found(addressesOf(records), Math.min(ttlMs, shortestTtlMs(records)))
    const isNegative = answer.rcode === 'NXDOMAIN' || soaOf(answer) !== undefined
    if (isNegative || alias.name === current) return nothing(Math.min(ttlMs, negativeTtlMs(answer)), answer)
    // An alias whose target this server did not look up for us.
    current = alias.name
  }
  throw new Error(`more than ${MAX_ALIASES} aliases`)
}

/**
 * The targets of a name's SRV records (RFC 2782), with their ports and weights. Only those of the best
 * priority: the others are spares, and would get calls as equals.
 * @param lookUpAll decides for how long targets are waited for [for as long as it takes]
 */
export async function lookUpServices(
  ask: Ask,
  name: string,
  types: readonly AddressType[],
  lookUpAll: LookUpAll = (lookUps) => settleAll(ask, lookUps),
): Promise<Found> {
  const answer = await ask(name, 'SRV')
  const alias = followAliases(answer.answers, name)
  const records = answer.answers
    .filter((record) => record.type === 'SRV')
    // The root as a target says "no such service" (RFC 2782), and port 0 cannot be called.
    .filter((record) => record.name === alias.name && record.target !== '' && record.port !== 0)
  if (records.length === 0) return nothing(Math.min(alias.ttlMs, negativeTtlMs(answer)), answer)
  const best = Math.min(...records.map((record) => record.priority))
  const targets = records.filter((record) => record.priority === best)
  const mostEach = Math.ceil(MAX_ENDPOINTS / targets.length)
  const given = Map.groupBy(answer.additionals, (record) => record.name)
  // One target may have several ports, and is asked for once.
  const lookUps = new Map(
    targets.map(({ target }) => [
      target,
      (own: Ask): Promise<Found> => targetAddresses(own, target, types, given.get(target)),
    ]),
  )
  const byTarget = await lookUpAll(lookUps)
  const endpoints = targets.flatMap((record) => {
    const result = byTarget.get(record.target)
    if (result?.status !== 'fulfilled') return []
    return result.value.endpoints.slice(0, mostEach).map(({ address }) =>
      taskEndpoint(address, {
        port: record.port,
        // Weight 0 means "hardly ever beside others" (RFC 2782); among themselves they are equals.
        weight: record.weight === 0 ? 0.1 : record.weight,
        id: instanceId(record.target, name),
      }),
    )
  })
  const results = [...byTarget.values()]
  const failed = results.find((result) => result?.status === 'rejected')
  if (failed !== undefined && endpoints.length === 0) throw failed.reason
  return {
    endpoints,
    ttlMs: Math.min(alias.ttlMs, shortestTtlMs(targets), ...results.map(ttlOf)),
    complete: records.length < SAMPLE_SIZE && results.every(isComplete),
    nonexistent: false,
  }
}

async function settleAll(ask: Ask, lookUps: Parameters<LookUpAll>[0]): ReturnType<LookUpAll> {
  const results = await Promise.allSettled(Array.from(lookUps.values(), (lookUp) => lookUp(ask)))
  return new Map([...lookUps.keys()].map((name, index) => [name, results[index]]))
}

/** Of a part of a set: 0 while it is late, so that it joins as soon as may be. */
export function ttlOf(result: PromiseSettledResult<Found> | undefined): number {
  if (result === undefined) return 0
  return result.status === 'fulfilled' ? result.value.ttlMs : Number.POSITIVE_INFINITY
}

export function isComplete(result: PromiseSettledResult<Found> | undefined): boolean {
  return result?.status === 'fulfilled' && result.value.complete
}

async function targetAddresses(
  ask: Ask,
  target: string,
  types: readonly AddressType[],
  given: readonly DnsRecord[] = [],
): Promise<Found> {
  if (isIP(target) !== 0) return found([taskEndpoint(target)], Number.POSITIVE_INFINITY)
  for (const type of types) {
    const records = given.filter((record) => record.type === type)
    if (records.length > 0) return found(addressesOf(records), shortestTtlMs(records))
  }
  let ttlMs = Number.POSITIVE_INFINITY
  for (const type of types) {
    const asked = await lookUpAddresses(ask, target, type)
    ttlMs = Math.min(ttlMs, asked.ttlMs)
    if (asked.endpoints.length > 0) return asked
    if (asked.nonexistent) break
  }
  return found([], ttlMs)
}

/** Cloud Map's targets are `<instance-id>.<service>.<namespace>`. */
function instanceId(target: string, name: string): string | undefined {
  return target.endsWith(`.${name}`) ? target.slice(0, -name.length - 1) : undefined
}

function followAliases(
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
  throw tooManyAliases(name)
}

function tooManyAliases(name: string): ResolutionFailedError {
  return new ResolutionFailedError(name, `DNS leads from alias to alias, ${MAX_ALIASES} times and more`)
}

function addressesOf(records: readonly DnsRecord[]): readonly Endpoint[] {
  const addresses = records.flatMap((record) => ('address' in record ? [record.address] : []))
  return [...new Set(addresses)].map((address) => taskEndpoint(address))
}

function shortestTtlMs(records: readonly DnsRecord[]): number {
  return Math.min(...records.map((record) => record.ttlSeconds)) * 1000
}

/** RFC 2308 section 5: the lesser of the SOA's own TTL and its MINIMUM. */
function negativeTtlMs(answer: DnsAnswer): number {
  const soa = soaOf(answer)
  return soa === undefined ? NEGATIVE_WITHOUT_SOA_MS : Math.min(soa.ttlSeconds, soa.minimumSeconds) * 1000
}

function soaOf({ authorities }: DnsAnswer): Extract<DnsRecord, { type: 'SOA' }> | undefined {
  return authorities.find((record) => record.type === 'SOA')
}

function found(endpoints: readonly Endpoint[], ttlMs: number): Found {
  return { endpoints, ttlMs, complete: endpoints.length < SAMPLE_SIZE, nonexistent: false }
}

function nothing(ttlMs: number, answer: DnsAnswer): Found {
  return { endpoints: [], ttlMs, complete: true, nonexistent: answer.rcode === 'NXDOMAIN' }
}

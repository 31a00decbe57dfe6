/**
 * What DNS says of a name: the endpoints of one kind of record, or that there are none, and for how long.
 */
import { isIP } from 'node:net'
import { taskEndpoint, type Endpoint } from '../endpoint.ts'
import { addressesOf, followAliases, MAX_ALIASES, negativeTtlMs, shortestTtlMs, soaOf } from './records.ts'
import type { DnsAnswer, DnsRecord, DnsType } from './wire/message.ts'

/** Asks one question; rejects with a `ResolutionFailedError`, or the signal's reason. */
export type Ask = (name: string, type: DnsType) => Promise<DnsAnswer>

export type AddressType = 'A' | 'AAAA'

export type LookUp = (ask: Ask) => Promise<Found>

/** Lookups that make up an answer together, by what distinguishes them. */
export type LookUps = ReadonlyMap<string, LookUp>

/** What came of a lookup; undefined while it is late, and not waited for. */
export type Result = PromiseSettledResult<Found> | undefined

export type Results = ReadonlyMap<string, Result>

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
 * IPv4 and IPv6 addresses at once; where one of them fails or is late, the others are a part of the set.
 * @param gather decides for how long each is waited for
 */
export async function lookUpBothFamilies(
  name: string,
  gather: (lookUps: LookUps) => Promise<Results>,
): Promise<Found> {
  const types = ['A', 'AAAA'] as const
  const lookUps = types.map((type) => [type, (ask: Ask) => lookUpAddresses(ask, name, type)] as const)
  const results = [...(await gather(new Map(lookUps))).values()]
  const answered = results.filter((result) => result?.status === 'fulfilled').map((result) => result.value)
  const filled = answered.filter(({ endpoints }) => endpoints.length > 0)
  if (filled.length === 0) throwFailure(results)
  return {
    endpoints: filled.flatMap(({ endpoints }) => endpoints),
    ttlMs: results.includes(undefined)
      ? 0
      : Math.min(...(filled.length > 0 ? filled : answered).map(({ ttlMs }) => ttlMs)),
    complete: results.every(isComplete),
    nonexistent: answered.some(({ nonexistent }) => nonexistent),
  }
}

/**
 * The targets of a name's SRV records (RFC 2782), with their ports and weights. Only those of the best
 * priority: the others are spares, and would get calls as equals.
 * @param gather decides for how long targets are waited for [for as long as it takes]
 */
export async function lookUpServices(
  ask: Ask,
  name: string,
  types: readonly AddressType[],
  gather: (lookUps: LookUps) => Promise<Results> = (lookUps) => settleAll(ask, lookUps),
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
  const maxEach = Math.ceil(MAX_ENDPOINTS / targets.length)
  const given = Map.groupBy(answer.additionals, (record) => record.name)
  // One target may have several ports, and is asked for once.
  const byTarget = await gather(
    new Map(
      targets.map(({ target }) => [
        target,
        (own: Ask) => targetAddresses(own, target, types, given.get(target)),
      ]),
    ),
  )
  const endpoints = targets.flatMap((record) => {
    const result = byTarget.get(record.target)
    if (result?.status !== 'fulfilled') return []
    return result.value.endpoints.slice(0, maxEach).map(({ address }) =>
      taskEndpoint(address, {
        port: record.port,
        // Weight 0 means "hardly ever beside others" (RFC 2782); among themselves they are equals.
        weight: record.weight === 0 ? 0.1 : record.weight,
        id: instanceId(record.target, name),
      }),
    )
  })
  const results = [...byTarget.values()]
  if (endpoints.length === 0) throwFailure(results)
  return {
    endpoints,
    ttlMs: Math.min(alias.ttlMs, shortestTtlMs(targets), ...results.map(ttlOf)),
    complete: records.length < SAMPLE_SIZE && results.every(isComplete),
    nonexistent: false,
  }
}

async function settleAll(ask: Ask, lookUps: LookUps): Promise<Results> {
  const results = await Promise.allSettled(Array.from(lookUps.values(), (lookUp) => lookUp(ask)))
  return new Map([...lookUps.keys()].map((name, index) => [name, results[index]]))
}

/** Nothing was found: because one of them failed, if one did. */
function throwFailure(results: readonly Result[]): void {
  const failed = results.find((result) => result?.status === 'rejected')
  if (failed !== undefined) throw failed.reason
}

/** Of a part of a set: 0 while it is late, so that it joins as soon as may be. */
function ttlOf(result: Result): number {
  if (result === undefined) return 0
  return result.status === 'fulfilled' ? result.value.ttlMs : Number.POSITIVE_INFINITY
}

function isComplete(result: Result): boolean {
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

function found(endpoints: readonly Endpoint[], ttlMs: number): Found {
  return { endpoints, ttlMs, complete: endpoints.length < SAMPLE_SIZE, nonexistent: false }
}

function nothing(ttlMs: number, answer: DnsAnswer): Found {
  return { endpoints: [], ttlMs, complete: true, nonexistent: answer.rcode === 'NXDOMAIN' }
}

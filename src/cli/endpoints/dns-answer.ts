import { systemClock } from '../../core/clock.ts'
import { inTime } from '../../core/async/with-timeout.ts'
import { InvalidOptionsError, ResolutionFailedError } from '../../core/errors.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import { lookUpAddresses, lookUpServices, type Ask, type Found } from '../../discovery/dns/lookup.ts'
import { parseDnsServer, StubResolver } from '../../discovery/dns/stub.ts'
import type { LookValues } from '../options/client-flags.ts'
import { attentiveClock } from './busy-start.ts'

/** For each try of each server; two tries, as in the client. */
const TRY_MS = 1_000
const TRIES = 2

/** What DNS says of a name. */
export interface DnsAnswer {
  /** The record type of the endpoints; undefined where there are none. */
  readonly records: 'A' | 'AAAA' | 'SRV' | undefined
  readonly endpoints: readonly Endpoint[]
  /** What is left of it in the resolver's cache; of an answer without endpoints its negative TTL (RFC 2308). */
  readonly ttlMs: number
  /** Route 53 answers with 8 healthy records of a larger set. */
  readonly isSample: boolean
  /** Whether the name itself does not exist (NXDOMAIN). */
  readonly isNonexistent: boolean
  readonly tookMs: number
}

/**
 * Asks for A, AAAA and SRV records side by side, and takes the first kind that has endpoints, in the client's order.
 * @throws ResolutionFailedError when the servers do not answer, or not with an answer
 */
export async function askDns(
  host: string,
  { 'dns-server': servers, timeout: limitMs }: LookValues,
  signal: AbortSignal,
): Promise<DnsAnswer> {
  const stub = stubOver(servers)
  const begun = systemClock.now()
  const late = (): Error => new ResolutionFailedError(host, `DNS gave no answer in ${limitMs} ms`)
  return inTime({ clock: attentiveClock, limitMs, signal, late }, async (own) => {
    const ask: Ask = (name, type) => stub.query(name, type, own)
    const lookUps = [
      ['A', lookUpAddresses(ask, host, 'A')],
      ['AAAA', lookUpAddresses(ask, host, 'AAAA')],
      ['SRV', lookUpServices(ask, host, ['A', 'AAAA'])],
    ] as const
    const settled = await Promise.allSettled(lookUps.map(([, found]) => found))
    const found = settled.map((result) => (result.status === 'fulfilled' ? result.value : undefined))
    const index = found.findIndex((one) => (one?.endpoints.length ?? 0) > 0)
    const failed = settled.find((result) => result.status === 'rejected')
    // Without endpoints all three have to answer: the kind that failed may be the one that has them.
    if (index === -1 && failed !== undefined) throw failed.reason
    const { endpoints, ttlMs, complete, nonexistent } = found[index] ?? negative(found)
    const [records] = lookUps[index] ?? []
    const tookMs = systemClock.now() - begun
    return { records, endpoints, ttlMs, isSample: !complete, isNonexistent: nonexistent, tookMs }
  })
}

/**
 * A resolver over these servers; none: the machine's.
 * @throws InvalidOptionsError for one that is not an address
 */
export function stubOver(servers: readonly string[]): StubResolver {
  return new StubResolver({
    servers: servers.map((text) => {
      const server = parseDnsServer(text)
      if (server === undefined)
        throw new InvalidOptionsError('--dns-server', text, 'an IP address, with or without port')
      return server
    }),
    timeoutMs: TRY_MS,
    tries: TRIES,
    clock: attentiveClock,
  })
}

/** Of several negative answers that with the shortest TTL. */
function negative(found: readonly (Found | undefined)[]): Found {
  const known = found.filter((one) => one !== undefined)
  const [first] = known.toSorted((one, other) => one.ttlMs - other.ttlMs)
  return first ?? { endpoints: [], ttlMs: 0, complete: true, nonexistent: true }
}

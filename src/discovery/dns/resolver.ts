import { LRUCache } from 'lru-cache'
import type { Clock } from '../../core/clock.ts'
import { ClosedError, ResolutionFailedError } from '../../core/errors.ts'
import { bareReason } from '../bare-reason.ts'
import { settlesWithin } from '../../core/async/settles-within.ts'
import { LateLookups, RESOLUTION_DELAY_MS } from './late-lookups.ts'
import {
  isComplete,
  lookUpAddresses,
  lookUpServices,
  type AddressType,
  type Ask,
  type Found,
} from './lookup.ts'
import { dnsSettings, type DnsOptions, type DnsSettings } from './options.ts'
import { StubResolver } from './stub.ts'
import type { Snapshot } from '../endpoint.ts'
import type { Resolver } from '../resolver.ts'
import type { ServiceName } from '../service-name.ts'
import { UsageCounter } from '../usage.ts'

/** Kinds of lookup, in the order in which they are tried. */
type Kind = AddressType | 'dual' | 'SRV'

/** A TTL of 0 must not mean a query for each request. */
const MIN_TTL_MS = 1000
/** Task sets change within minutes, whatever a zone's TTLs say. */
const MAX_TTL_MS = 60_000
/** A service without tasks may get some at any moment. */
const MAX_NEGATIVE_TTL_MS = 10_000
/** Names whose kind of record is remembered; others are found out anew. */
const MAX_NAMES = 1000

const ADDRESS_TYPES: Readonly<Record<DnsSettings['family'], readonly AddressType[]>> = {
  auto: ['A', 'AAAA'],
  ipv4: ['A'],
  ipv6: ['AAAA'],
  dual: ['A', 'AAAA'],
}

/**
 * Finds endpoints by DNS: A, AAAA and SRV records with their TTLs.
 *
 * A name that does not exist, or has no such records, is an empty snapshot. An answer of 8 records or more is
 * taken for a sample (`complete: false`), since Route 53 gives 8 of a larger set. So is one that is not whole yet: of
 * both families, or of several SRV targets, what is there is not held up by what is late, which joins a second later.
 *
 * Lookups do not keep the process alive; a client's calls that wait for one do.
 *
 * @throws InvalidOptionsError for options that are unknown or not allowed
 */
export function dnsResolver(options: DnsOptions & { readonly clock?: Clock | undefined } = {}): Resolver {
  const settings = dnsSettings(options)
  const { clock } = settings
  const stub = new StubResolver(settings)
  const late = new LateLookups(clock)
  const usage = new UsageCounter(clock)
  const kindThatWorked = new LRUCache<string, Kind>({ max: MAX_NAMES })
  const source: Source = {
    asking: (host, signal) => (name, type) => {
      usage.count(host, 'dns')
      return stub.query(name, type, signal)
    },
    late,
    settings,
  }

  const look = async (host: string, signal: AbortSignal): Promise<Found> => {
    const kinds = kindsFor(host, settings, kindThatWorked.get(host))
    let ttlMs = Number.POSITIVE_INFINITY
    let aside: Promise<Found> | undefined
    for (const kind of kinds) {
      const lookUp = lookUpKind(kind, source, host, signal)
      if (kind === 'AAAA' && kinds.length > 1 && !(await succeedsSoon(clock, lookUp))) {
        // Servers that know nothing of IPv6 fail or keep silent: that must not hide what there is else.
        aside = lookUp
        continue
      }
      const found = await lookUp
      if (found.endpoints.length > 0) {
        kindThatWorked.set(host, kind)
        return found
      }
      ttlMs = Math.min(ttlMs, found.ttlMs)
      if (found.nonexistent) return { ...NOTHING, ttlMs }
    }
    if (aside === undefined) return { ...NOTHING, ttlMs }
    const found = await aside
    if (found.endpoints.length > 0) kindThatWorked.set(host, 'AAAA')
    return { ...found, ttlMs: Math.min(ttlMs, found.ttlMs) }
  }

  return {
    async resolve(service, signal): Promise<Snapshot> {
      const { host } = service
      const over = new AbortController()
      try {
        const found = await look(host, AbortSignal.any([signal, over.signal]))
        return snapshotOf(service, found, clock.now())
      } catch (error) {
        throw signal.aborted ? signal.reason : asFailureOf(host, error)
      } finally {
        // Ends what was asked aside, and is not needed any more.
        over.abort()
      }
    },
    usage: (service) => usage.of(service.host),
    close: () => late.close(new ClosedError('the resolver')),
  }
}

/** What lookups ask, and by which rules. */
interface Source {
  readonly asking: (host: string, signal: AbortSignal) => Ask
  readonly late: LateLookups
  readonly settings: DnsSettings
}

const NOTHING: Omit<Found, 'ttlMs'> = { endpoints: [], complete: true, nonexistent: false }

async function succeedsSoon(clock: Clock, lookUp: Promise<Found>): Promise<boolean> {
  if (!(await settlesWithin(clock, RESOLUTION_DELAY_MS, lookUp))) return false
  return lookUp.then(
    () => true,
    () => false,
  )
}

function kindsFor(host: string, { family, record }: DnsSettings, worked: Kind | undefined): readonly Kind[] {
  const services: readonly Kind[] = record === 'a' ? [] : ['SRV']
  const addresses: readonly Kind[] =
    record === 'srv' ? [] : family === 'dual' ? ['dual'] : ADDRESS_TYPES[family]
  // Underscores are what SRV names begin with (RFC 2782), and host names never.
  const kinds = host.startsWith('_') ? [...services, ...addresses] : [...addresses, ...services]
  return worked === undefined ? kinds : [worked, ...kinds.filter((kind) => kind !== worked)]
}

async function lookUpKind(kind: Kind, source: Source, host: string, signal: AbortSignal): Promise<Found> {
  const { asking, late, settings } = source
  switch (kind) {
    case 'A':
    case 'AAAA':
      return lookUpAddresses(asking(host, signal), host, kind)
    case 'dual':
      return lookUpBoth(source, host, signal)
    case 'SRV':
      return lookUpServices(asking(host, signal), host, ADDRESS_TYPES[settings.family], async (lookUps) => {
        const parts = Array.from(lookUps, ([target, lookUp]) => ({
          key: `${host} SRV ${target}`,
          lookUp: (own: AbortSignal) => lookUp(asking(host, own)),
        }))
        const results = await late.gather(parts, signal)
        return new Map([...lookUps.keys()].map((target, index) => [target, results[index]]))
      })
  }
}

/** Both families at once; where one fails or is late, the other's addresses are a part of the set. */
async function lookUpBoth({ asking, late }: Source, host: string, signal: AbortSignal): Promise<Found> {
  const results = await late.gather(
    ADDRESS_TYPES.dual.map((type) => ({
      key: `${host} ${type}`,
      lookUp: (own) => lookUpAddresses(asking(host, own), host, type),
    })),
    signal,
  )
  const answered = results.filter((result) => result?.status === 'fulfilled').map((result) => result.value)
  const filled = answered.filter((found) => found.endpoints.length > 0)
  const failed = results.find((result) => result?.status === 'rejected')
  if (failed !== undefined && filled.length === 0) throw failed.reason
  const isLate = results.includes(undefined)
  return {
    endpoints: filled.flatMap((found) => found.endpoints),
    ttlMs: isLate ? 0 : Math.min(...(filled.length > 0 ? filled : answered).map((found) => found.ttlMs)),
    complete: results.every(isComplete),
    nonexistent: answered.some((found) => found.nonexistent),
  }
}

function snapshotOf(service: ServiceName, found: Found, now: number): Snapshot {
  const longestTtlMs = found.endpoints.length > 0 ? MAX_TTL_MS : MAX_NEGATIVE_TTL_MS
  return {
    service,
    endpoints: found.endpoints,
    complete: found.complete,
    expiresAt: now + Math.min(longestTtlMs, Math.max(MIN_TTL_MS, found.ttlMs)),
    source: 'dns',
    revision: undefined,
  }
}

/** Errors name the service that was asked for, also when it was an alias or a target that failed. */
function asFailureOf(host: string, error: unknown): unknown {
  if (error instanceof ResolutionFailedError && error.host === host) return error
  return new ResolutionFailedError(host, bareReason(host, error), error)
}

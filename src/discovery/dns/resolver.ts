import { LRUCache } from 'lru-cache'
import type { Clock } from '../../core/clock.ts'
import { ClosedError, ResolutionFailedError } from '../../core/errors.ts'
import { bareReason } from '../bare-reason.ts'
import { settlesWithin } from '../../core/async/settles-within.ts'
import { LateLookups, RESOLUTION_DELAY_MS } from './late-lookups.ts'
import {
  lookUpAddresses,
  lookUpBothFamilies,
  lookUpServices,
  type AddressType,
  type Ask,
  type Found,
  type LookUps,
  type Results,
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
  const usage = new UsageCounter(clock)
  const asking = (host: string, signal: AbortSignal): Ask => {
    return (name, type) => {
      usage.count(host, 'dns')
      return stub.query(name, type, signal)
    }
  }
  const late = new LateLookups(clock, asking)
  const kindThatWorked = new LRUCache<string, Kind>({ max: MAX_NAMES })

  const lookUpKind = (kind: Kind, host: string, signal: AbortSignal): Promise<Found> => {
    const gather = (lookUps: LookUps): Promise<Results> => late.gather(host, lookUps, signal)
    if (kind === 'dual') return lookUpBothFamilies(host, gather)
    const ask = asking(host, signal)
    if (kind === 'SRV') return lookUpServices(ask, host, ADDRESS_TYPES[settings.family], gather)
    return lookUpAddresses(ask, host, kind)
  }

  const look = async (host: string, signal: AbortSignal): Promise<Found> => {
    const kinds = kindsFor(host, settings, kindThatWorked.get(host))
    let ttlMs = Number.POSITIVE_INFINITY
    let aside: Promise<Found> | undefined
    for (const kind of kinds) {
      const lookUp = lookUpKind(kind, host, signal)
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

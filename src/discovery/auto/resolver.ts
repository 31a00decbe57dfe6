import { LRUCache } from 'lru-cache'
import type { Clock, Random } from '../../core/clock.ts'
import { ClosedError } from '../../core/errors.ts'
import type { Resolver } from '../resolver.ts'
import type { ServiceName } from '../service-name.ts'
import { sumOfUsage } from '../usage.ts'
import type { Filter } from './picture.ts'
import type { PaceOptions } from './read-schedule.ts'
import { TwoSources, type SharedSources } from './two-sources.ts'

export interface AutoOptions extends PaceOptions {
  /** The Cloud Map API: rejects with a `CloudMapError` where it knows why. Closed with this resolver. */
  readonly api: Resolver
  readonly dns: Resolver
  readonly clock: Clock
  readonly random: Random
  /** Which instances the API is asked for, where DNS names all [`none`]. */
  readonly filter?: Filter
  /** How long a name is left to DNS before the API is asked again [60000]. */
  readonly retryApiMs?: number
  /** How long the API may fail for a name that it knew, before DNS decides alone [60000]. */
  readonly outageMs?: number
  /** How long callers with nothing to go on wait for the API, if DNS has answered [1000]. */
  readonly headStartMs?: number
}

const MAX_NAMES = 1000

/**
 * DNS and the Cloud Map API together: DNS says for nothing that something has changed, and the API, which costs money,
 * says what (zones, ports, weights; docs/decisions/018).
 *
 * - DNS is asked at its TTL. A new address counts at once. A difference from what the API said reads the API.
 * - So do signs of health: refused connections, ejections, draining answers. Without any, the API is read every 5 min.
 * - A name that DNS does not know is polled by the API, every 5 s after a change, and at last once a minute.
 * - No credentials or region: DNS for all names. Denied, or a name that the API does not know: DNS for that name. Both
 *   are tried again after a minute.
 * - Throttled, broken, unreachable: DNS at once for a name that the API never answered for, and after a minute for
 *   others.
 * - Slow with a name that it never answered for: after a second the first answer of either is believed.
 * - After 90 s without lookups a name is not known any more: both are asked, as at first.
 *
 * What the API reported of an address (port, zone, weight) holds for the same address out of DNS.
 * `onehop:discovery.fell-back` and `onehop:discovery.recovered` report when DNS decides alone, and the snapshot's
 * `warning` why.
 */
export function autoResolver(options: AutoOptions): Resolver {
  const { api, dns, clock, random, revisionMs, fullReadMs } = options
  const closing = new AbortController()
  const shared: SharedSources = {
    ...{ api, dns, clock, random },
    pace: { revisionMs, fullReadMs },
    filter: options.filter ?? 'none',
    retryApiMs: options.retryApiMs ?? 60_000,
    outageMs: options.outageMs ?? 60_000,
    headStartMs: options.headStartMs ?? 1_000,
    closing: closing.signal,
    withoutCredentials: undefined,
  }
  const names = new LRUCache<string, TwoSources>({ max: MAX_NAMES })

  const sourcesOf = (service: ServiceName): TwoSources => {
    const sources = names.get(service.host) ?? new TwoSources(service, shared)
    names.set(service.host, sources)
    return sources
  }

  return {
    async resolve(service, signal, reason = 'expired') {
      if (service.namespace === undefined) return dns.resolve(service, signal, reason)
      return sourcesOf(service).resolve(signal, reason)
    },
    usage: (service) => sumOfUsage(api.usage?.(service), dns.usage?.(service)),
    async close() {
      closing.abort(new ClosedError('the resolver'))
      await Promise.all([api.close?.(), dns.close?.()])
    },
  }
}

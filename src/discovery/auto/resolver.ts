import { LRUCache } from 'lru-cache'
import { ClosedError } from '../../core/errors.ts'
import type { Resolver } from '../resolver.ts'
import type { ServiceName } from '../service-name.ts'
import { sumOfUsage } from '../usage.ts'
import { newCommonApiState } from './api-state.ts'
import { ServiceLookup, type SharedSources } from './service-lookup.ts'
import type { Filter } from './source-merger.ts'

export interface AutoOptions extends Omit<SharedSources, 'filter' | 'common' | 'closing'> {
  /** Which instances the API is asked for, where DNS names all [`none`]. */
  readonly filter?: Filter
}

const MAX_SERVICES = 1000

/**
 * DNS and the Cloud Map API together: DNS says for nothing that something has changed, and the API, which costs money,
 * says what: zones, ports, weights (docs/decisions/018). Closes both.
 *
 * - DNS is asked at its TTL. A difference from what the API said reads the API, and so do signs of health.
 * - A service that DNS does not know is polled by the API.
 * - An API that denies access, or does not know the service, is not asked for a minute: DNS decides alone.
 * - One that is slow or fails leaves a service to DNS at once if it never answered for it, and else after a minute.
 * - Calls without a port of their own wait longer for its first answer (docs/decisions/025).
 * - After a pause of 90 s a service is not known any more: both are asked, as at first.
 *
 * `onehop:discovery.fell-back` and `onehop:discovery.recovered` report when DNS decides alone, and the snapshot's
 * `warning` why.
 */
export function autoResolver(options: AutoOptions): Resolver {
  const { api, dns, filter = 'none' } = options
  const closing = new AbortController()
  const shared: SharedSources = {
    ...options,
    filter,
    common: newCommonApiState(),
    closing: closing.signal,
  }
  const lookups = new LRUCache<string, ServiceLookup, ServiceName>({
    max: MAX_SERVICES,
    memoMethod: (_host, _stale, { context: service }) => new ServiceLookup(service, shared),
  })
  return {
    async resolve(service, signal, reason = 'expired') {
      if (service.namespace === undefined) return dns.resolve(service, signal, reason)
      return lookups.memo(service.host, { context: service }).resolve(signal, reason)
    },
    usage: (service) => sumOfUsage(api.usage?.(service), dns.usage?.(service)),
    async close() {
      closing.abort(new ClosedError('the resolver'))
      await Promise.all([api.close?.(), dns.close?.()])
    },
  }
}

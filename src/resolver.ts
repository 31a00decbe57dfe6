import type { ClientSettings } from './config/options.ts'
import { MAX_MS } from './core/check/check.ts'
import type { Filter } from './discovery/auto/source-merger.ts'
import { autoResolver } from './discovery/auto/resolver.ts'
import type { CloudMapSettings } from './discovery/cloud-map/options.ts'
import { sdkResolver } from './discovery/cloud-map/resolver.ts'
import { dnsResolver } from './discovery/dns/resolver.ts'
import { addressGuard, guarded } from './discovery/guard/address-guard.ts'
import type { Resolver } from './discovery/resolver.ts'

/** The resolver that the option `discovery` asks for, behind the guard of addresses. */
export function resolverOf(settings: ClientSettings): Resolver {
  const { clock, random, discovery, cloudMap, allowLoopback, allowAddresses } = settings
  const guard = addressGuard({ allowLoopback, ...(allowAddresses === undefined ? {} : { allowAddresses }) })
  const dns = dnsResolver({ ...settings.dns, clock })
  const { revisionMs, fullReadMs, request } = cloudMap
  // `auto` decides when to read.
  const api = sdkResolver(
    discovery === 'auto' ? { ...cloudMap, fullReadMs: MAX_MS } : cloudMap,
    clock,
    random,
  )
  // Loading takes long, and the first calls would wait for it. The lookups report why it fails.
  if (usesApi(settings) && !settings.loadsLate) api.load().catch(() => undefined)
  switch (discovery) {
    case 'dns':
      return guarded(dns, guard, clock)
    case 'api':
      return guarded(api, guard, clock)
    case 'auto':
      return guarded(
        autoResolver({ api, dns, clock, random, revisionMs, fullReadMs, filter: filterOf(request) }),
        guard,
        clock,
      )
    default:
      return discovery.trusted === true ? discovery : guarded(discovery, guard, clock)
  }
}

/** Services in no namespace are found by DNS alone. */
function usesApi({ discovery, namespaces }: ClientSettings): boolean {
  return (discovery === 'auto' || discovery === 'api') && namespaces.length > 0
}

function filterOf({ QueryParameters, OptionalParameters }: CloudMapSettings['request']): Filter {
  if (QueryParameters !== undefined) return 'required'
  return OptionalParameters === undefined ? 'none' : 'preferred'
}

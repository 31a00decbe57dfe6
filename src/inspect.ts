import type { Cluster } from './cluster/cluster.ts'
import type { Upstream } from './cluster/upstream.ts'
import type { ZoneRouter } from './cluster/locality/zone-router.ts'
import type { SnapshotCache } from './discovery/cache.ts'
import { lacksPorts, placeOf } from './discovery/endpoint-set.ts'
import type { Snapshot } from './discovery/endpoint.ts'
import type { Resolver } from './discovery/resolver.ts'
import type { ServiceView } from './discovery/view/service-view.ts'
import type { Usage } from './discovery/usage.ts'
import type { HedgePolicy } from './dispatch/hedge/hedge-policy.ts'
import type { KnownRoute } from './dispatch/route-factory.ts'
import type { RouteTable } from './dispatch/router.ts'
import type {
  CostInspection,
  HedgingInspection,
  Inspection,
  NegativeInspection,
  OriginInspection,
  ServiceInspection,
  UpstreamInspection,
  ZonesInspection,
} from './inspection.ts'

/** @param pricePerMillion of calls of the API */
export function inspectClient(
  cache: SnapshotCache,
  routes: RouteTable,
  resolver: Resolver,
  pricePerMillion: number,
  now: number,
): Inspection {
  const known = routes.known()
  const services = cache.views().map((view) => {
    const { host } = view.service
    const own = known.filter((route) => route.host === host)
    return [host, inspectService(view, own, resolver.usage?.(view.service), pricePerMillion, now)]
  })
  return { callsUnderWay: routes.callsUnderWay, services: Object.fromEntries(services) }
}

function inspectService(
  view: ServiceView,
  routes: readonly KnownRoute[],
  usage: Usage | undefined,
  pricePerMillion: number,
  now: number,
): ServiceInspection {
  const { snapshot } = view
  return {
    source: snapshot?.source,
    warning: warningOf(snapshot, routes),
    revision: snapshot?.revision,
    ageMs: finite(now - (view.refreshedAt ?? Number.NaN)),
    expiresInMs: finite((snapshot?.expiresAt ?? Number.NaN) - now),
    nextLookupInMs: finite(view.dueAt - now),
    idleMs: finite(now - view.usedAt),
    endpoints: (snapshot?.endpoints ?? []).map(placeOf),
    complete: snapshot?.complete,
    negative: inspectNegative(view, now),
    lookups: view.lookups,
    refreshes: view.refreshes,
    failedLookups: view.failures,
    lastError: view.error?.message,
    lastFailureMs: finite(now - (view.failedAt ?? Number.NaN)),
    cost: usage === undefined ? undefined : inspectCost(usage, pricePerMillion),
    origins: Object.fromEntries(routes.map((route) => [route.origin, inspectRoute(route, now)])),
  }
}

/** What an answer lacks matters where calls have no port of their own. */
function warningOf(snapshot: Snapshot | undefined, routes: readonly KnownRoute[]): string | undefined {
  const { warning, endpoints = [] } = snapshot ?? {}
  const portless = routes.find(({ assumedPort }) => assumedPort !== undefined)
  if (warning === undefined || portless === undefined || !lacksPorts(endpoints)) return warning
  const { origin, assumedPort } = portless
  return `${warning}. No port is known: calls of ${origin} go to port ${assumedPort}, unless the option port names another`
}

const HOURS_PER_MONTH = 720

function inspectCost(
  { dnsQueries, apiCalls, apiCallsPerHour }: Usage,
  pricePerMillion: number,
): CostInspection {
  const apiCallsPerMonth = Math.round(apiCallsPerHour * HOURS_PER_MONTH)
  return {
    dnsQueries,
    apiCalls,
    apiCallsPerMonth,
    pricePerMonth: Math.round(apiCallsPerMonth * pricePerMillion) / 1_000_000,
  }
}

function inspectNegative({ emptySince, snapshot }: ServiceView, now: number): NegativeInspection | undefined {
  if (emptySince === undefined) return undefined
  const isHeld = (snapshot?.endpoints.length ?? 0) > 0
  return { state: isHeld ? 'held' : 'believed', forMs: now - emptySince }
}

/** JSON has no Infinity, and an absent field says "never". */
function finite(ms: number): number | undefined {
  return Number.isFinite(ms) ? ms : undefined
}

function inspectRoute(route: KnownRoute, now: number): OriginInspection {
  const { cluster, budget } = route
  return {
    callsUnderWay: route.inFlight.count,
    // Without a load balancer all calls go to tasks, whatever state they are in.
    directShare: cluster.fallback === undefined ? 1 : cluster.directShare,
    zones: inspectZones(cluster.zones),
    retryBudget: Math.floor(budget.balance(now)),
    hedging: inspectHedging(route.hedgePolicy, now),
    upstreams: cluster.upstreams.map((upstream) => inspectUpstream(upstream, cluster, now)),
  }
}

function inspectHedging(hedging: HedgePolicy | undefined, now: number): HedgingInspection | undefined {
  if (hedging === undefined) return undefined
  const { begun, won } = hedging
  return { delayMs: hedging.delayMs(now), share: hedging.share(now), begun, won }
}

function inspectZones(zones: ZoneRouter | undefined): ZonesInspection | undefined {
  if (zones === undefined) return undefined
  const { locality, localShare, shares } = zones
  return { own: locality.own, localShare, shares: Object.fromEntries(shares) }
}

function inspectUpstream(upstream: Upstream, cluster: Cluster, now: number): UpstreamInspection {
  const { endpoint, ejection } = upstream
  const out = ejection.state !== 'available'
  return {
    upstream: upstream.label,
    tier: endpoint.tier,
    zone: endpoint.zone,
    isLocal: endpoint.tier === 0 ? cluster.zones?.isLocal(upstream) : undefined,
    weight: endpoint.weight,
    state: ejection.state,
    cause: out ? ejection.cause : undefined,
    reason: out ? ejection.reason : undefined,
    ejectedForMs: out ? now - ejection.since : undefined,
    slowStartMs: finite(now - upstream.slowStartSince),
    slowStartShare: cluster.slowStartShare(upstream, now),
    latencyMs: upstream.latency.hasSamples ? upstream.latencyMs(now) : undefined,
    pending: upstream.pending,
    requests: upstream.requests,
    failures: upstream.failures,
  }
}

import type { Upstream } from './cluster/upstream.ts'
import type { ServiceView } from './discovery/service-view.ts'
import { labelOf } from './cluster/upstream.ts'
import type { KnownRoute } from './routes.ts'

/** What `client.inspect()` returns: plain JSON, for a debug endpoint or a log line. Times in ms. */
export interface Inspection {
  /** Calls that have begun and not ended. */
  readonly callsUnderWay: number
  readonly services: Readonly<Record<string, ServiceInspection>>
}

export interface ServiceInspection {
  /** What answered last: `dns`, `cloud-map`, `static`; undefined before the first answer. */
  readonly source: string | undefined
  readonly revision: number | undefined
  /** Since the last lookup that succeeded. */
  readonly ageMs: number | undefined
  /** Negative: how long it has been out of date. Infinity is told as undefined. */
  readonly expiresInMs: number | undefined
  /** `address` or `address:port`, as discovery told them. */
  readonly endpoints: readonly string[]
  readonly lookups: number
  readonly failedLookups: number
  /** Why the last lookup failed; undefined when it succeeded. */
  readonly lastError: string | undefined
  readonly origins: Readonly<Record<string, OriginInspection>>
}

export interface OriginInspection {
  /** Share of the calls that goes straight to tasks, from 0 to 1. */
  readonly directShare: number
  /** Retries that the budget allows now. */
  readonly retryBudget: number
  readonly upstreams: readonly UpstreamInspection[]
}

export interface UpstreamInspection {
  readonly upstream: string
  readonly tier: 0 | 1
  readonly zone: string | undefined
  readonly weight: number
  readonly state: 'available' | 'ejected' | 'probing'
  readonly reason: string | undefined
  readonly ejectedForMs: number | undefined
  /** Expected to response headers. */
  readonly latencyMs: number
  readonly pending: number
  /** Attempts that ended. */
  readonly requests: number
  readonly failures: number
}

export function inspectService(
  view: ServiceView,
  routes: readonly KnownRoute[],
  now: number,
): ServiceInspection {
  const { snapshot, refreshedAt } = view
  const expiresInMs = snapshot === undefined ? undefined : snapshot.expiresAt - now
  return {
    source: snapshot?.source,
    revision: snapshot?.revision,
    ageMs: refreshedAt === undefined ? undefined : now - refreshedAt,
    expiresInMs: expiresInMs === Number.POSITIVE_INFINITY ? undefined : expiresInMs,
    endpoints: (snapshot?.endpoints ?? []).map(({ address, port }) =>
      port === undefined ? address : labelOf(address, port),
    ),
    lookups: view.lookups,
    failedLookups: view.failures,
    lastError: view.error?.message,
    origins: Object.fromEntries(routes.map((route) => [route.origin, inspectRoute(route, now)])),
  }
}

function inspectRoute(route: KnownRoute, now: number): OriginInspection {
  const { cluster, budget } = route
  const upstreams = cluster.fallback === undefined ? cluster.tasks : [...cluster.tasks, cluster.fallback]
  return {
    directShare: cluster.directShare,
    retryBudget: Math.floor(budget.balance(now)),
    upstreams: upstreams.map((upstream) => inspectUpstream(upstream, now)),
  }
}

function inspectUpstream(upstream: Upstream, now: number): UpstreamInspection {
  const { endpoint, ejection } = upstream
  const out = ejection.state !== 'available'
  return {
    upstream: upstream.label,
    tier: endpoint.tier,
    zone: endpoint.zone,
    weight: endpoint.weight,
    state: ejection.state,
    reason: out ? ejection.reason : undefined,
    ejectedForMs: out ? now - ejection.since : undefined,
    latencyMs: upstream.latencyMs(now),
    pending: upstream.pending,
    requests: upstream.requests,
    failures: upstream.failures,
  }
}

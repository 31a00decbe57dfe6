import { Cluster } from '../cluster/cluster.ts'
import type { LocationSource, CallerLocalityOptions } from '../cluster/locality/caller-locality.ts'
import type { LoopLag } from '../core/loop-lag.ts'
import { schemePort, urlPort } from '../core/url-port.ts'
import type { SnapshotCache } from '../discovery/cache.ts'
import type { Endpoint } from '../discovery/endpoint.ts'
import { canonicalHost, parseServiceName, type ServiceName } from '../discovery/service-name.ts'
import { TimeLimit } from './call/time-limit.ts'
import { mayQueue } from './connections/pool-options.ts'
import { Pools } from './connections/pools.ts'
import { HedgePolicy } from './hedge/hedge-policy.ts'
import { InFlight } from './in-flight.ts'
import { OpenLeases } from './lease/open-leases.ts'
import { RetryBudget } from './retry/budget.ts'
import type { Route } from './route.ts'
import { settingsFor, type FallbackSettings, type RouterSettings, type ServiceSettings } from './settings.ts'

/** Where this process runs. */
export interface CallerLocation extends LocationSource {
  /** Starts looking, once. */
  find(): void
  close(): void
}

/** A route, with what `inspect()` reports of it. */
export interface KnownRoute extends Route {
  readonly pools: Pools
  readonly origin: string
  readonly leases: OpenLeases
  readonly service: ServiceName
  /** Services whose views it holds: its own, and the one of `zone.peers`. */
  readonly holds: readonly ServiceName[]
}

/** Makes the route of an origin: its cluster, its pools, its limits. */
export class RouteFactory {
  readonly #settings: RouterSettings
  readonly #cache: SnapshotCache
  readonly #lag: LoopLag
  readonly #location: CallerLocation

  constructor(settings: RouterSettings, cache: SnapshotCache, lag: LoopLag, location: CallerLocation) {
    this.#settings = settings
    this.#cache = cache
    this.#lag = lag
    this.#location = location
  }

  make(url: URL, service: ServiceName): KnownRoute {
    const { clock, random } = this.#settings
    const settings = settingsFor(service, this.#settings)
    const { retry, classify, connectMs, tcpConnectMs, deadlineMs, deadlineHeader, maxPending } = settings
    const { pool, fallback } = settings
    // Each option of the fallback replaces that of the service.
    const fallbackPool = { ...pool, ...fallback?.pool }
    const pools = new Pools({
      origin: url.origin,
      connectMs,
      tcpConnectMs,
      pool,
      fallbackPool,
      clock,
    })
    const peers = settings.zone?.peers === undefined ? undefined : this.#peersOf(settings.zone.peers)
    const assumedPort = url.port === '' && settings.port === undefined ? urlPort(url) : undefined
    const cluster = new Cluster(this.#cache.hold(service), {
      host: service.host,
      portOf: portOf(url, settings),
      needsPort: assumedPort !== undefined,
      fallback: fallback === undefined ? undefined : fallbackEndpoint(fallback, url),
      balancer: settings.balancer,
      outlier: settings.outlier,
      slowStartMs: settings.slowStartMs,
      maxPending: maxPending.perTask,
      subset: settings.subset,
      callerLocality: this.#callerLocality(settings, peers),
      clock,
      random,
      onDeparted: (upstream) => pools.drain(upstream),
    })
    return {
      origin: url.origin,
      leases: new OpenLeases(clock),
      service,
      holds: peers === undefined ? [service] : [service, peers],
      host: service.host,
      cluster,
      // Bound: it may be a method of a class of the user's.
      keyOf: settings.balancer.keyOf?.bind(settings.balancer),
      pools,
      retry,
      budget: new RetryBudget(settings.budget, clock.now()),
      connectMs,
      tcpConnectMs,
      classify,
      hedgePolicy: settings.hedge === undefined ? undefined : new HedgePolicy(settings.hedge, clock.now()),
      deadlineHeader,
      assumedPort,
      limits: {
        queue: new TimeLimit(clock, settings.queueMs),
        attempt: new TimeLimit(clock, settings.attemptMs),
      },
      mayQueue: mayQueue(pool) || mayQueue(fallbackPool),
      deadlineMs,
      inFlight: new InFlight(),
      maxPending,
      clock,
      lag: this.#lag,
      random,
    }
  }

  /** Discovered like any other: by the API where it is in a namespace, else by DNS. */
  #peersOf(host: string): ServiceName {
    const { namespaces, spellings } = this.#settings
    return parseServiceName(spellings.get(host) ?? host, namespaces)
  }

  #callerLocality(
    { zone }: ServiceSettings,
    peers: ServiceName | undefined,
  ): CallerLocalityOptions | undefined {
    if (zone === undefined) return undefined
    this.#location.find()
    return {
      source: this.#location,
      configured: zone,
      peers: peers === undefined ? undefined : this.#cache.hold(peers),
    }
  }
}

/** Port: what the caller wrote, else what the user set, else the instance's, else the scheme's. */
function portOf(url: URL, settings: ServiceSettings): (endpoint: Endpoint) => number {
  const written = url.port === '' ? undefined : Number(url.port)
  const schemes = schemePort(url.protocol)
  return (endpoint) => {
    if (endpoint.tier === 1) return endpoint.port ?? schemes
    return written ?? settings.port ?? endpoint.port ?? schemes
  }
}

/** The load balancer, as one more endpoint. Called by its own name, or by the service's where it routes by that. */
function fallbackEndpoint(fallback: FallbackSettings, caller: URL): Endpoint {
  const { url, preserveHost } = fallback
  return {
    address: canonicalHost(url.hostname.replace(/^\[|\]$/g, '')),
    port: urlPort(url),
    tier: 1,
    zone: undefined,
    weight: 1,
    id: undefined,
    attributes: undefined,
    origin: preserveHost ? `${url.protocol}//${caller.host}` : url.origin,
  }
}

import { LRUCache } from 'lru-cache'
import { Cluster } from '../cluster/cluster.ts'
import type { LocationSource, CallerLocalityOptions } from '../cluster/locality/caller-locality.ts'
import type { SnapshotCache } from '../discovery/cache.ts'
import type { Endpoint } from '../discovery/endpoint.ts'
import { canonicalHost, parseServiceName, type ServiceName } from '../discovery/service-name.ts'
import { InFlight } from './in-flight.ts'
import type { Routes } from './dispatcher.ts'
import { HedgePolicy } from './hedge/hedge-policy.ts'
import { mayQueue, Pools } from './connections/pools.ts'
import { RetryBudget } from './retry/budget.ts'
import type { Route } from './route.ts'
import { TimeLimit } from './call/time-limit.ts'
import { ConfiguredLocation } from '../cluster/locality/configured-location.ts'
import { ClosedError } from '../core/errors.ts'
import { LoopLag } from '../core/loop-lag.ts'
import type { FallbackSettings, RouterSettings, ServiceSettings } from './settings.ts'

const MAX_ORIGINS = 1_000
const DEFAULT_PORT: Readonly<Record<string, number>> = { 'http:': 80, 'https:': 443 }

/** Finds out where this process runs. */
export interface CallerLocation extends LocationSource {
  /** Starts looking, once. */
  find(): void
  close(): void
}

/** A route, with what `inspect()` reports of it. */
export interface KnownRoute extends Route {
  readonly pools: Pools
  readonly origin: string
  readonly service: ServiceName
  /** Services whose views it holds: its own, and that of its callers if it is told. */
  readonly holds: readonly ServiceName[]
}

/**
 * Routes by origin, made when an origin is first called.
 *
 * An origin and not a service, because `http://orders.shop.local` and `https://orders.shop.local:8443` are
 * different servers on the same tasks: their connections, latencies and ejections are their own. What they
 * share is the view of the service that discovery keeps.
 */
export class RouteTable implements Routes {
  readonly #settings: RouterSettings
  readonly #cache: SnapshotCache
  readonly #lag: LoopLag
  readonly #location: CallerLocation
  readonly #routes: LRUCache<string, KnownRoute>
  /** Origins that are not discovered, so that a process-wide dispatcher parses each but once. */
  readonly #elsewhere = new LRUCache<string, true>({ max: MAX_ORIGINS })
  /** Made room for others, and still have calls under way. */
  readonly #retired = new Set<KnownRoute>()
  /** Found last: nearly always the next one, too, and the cache's accounts of who was used when cost more than a pick. */
  #lastKey: string | undefined = undefined
  #last: KnownRoute | undefined = undefined

  constructor(settings: RouterSettings, cache: SnapshotCache, location: CallerLocation) {
    this.#settings = settings
    this.#cache = cache
    this.#lag = new LoopLag(settings.clock)
    this.#location = location
    this.#routes = new LRUCache({
      max: MAX_ORIGINS,
      // The least used origin makes room; its calls end in peace.
      // Nobody waits for its end, and none of its calls is left to fail.
      dispose: (route) => void this.#retire(route).catch(() => undefined),
    })
  }

  find(origin: string | URL | undefined): Route | undefined {
    if (origin === undefined) return undefined
    const key = typeof origin === 'string' ? origin : origin.origin
    if (key === this.#lastKey) return this.#last
    const known = this.#routes.get(key)
    if (known === undefined) return this.#elsewhere.has(key) ? undefined : this.#open(key)
    this.#lastKey = key
    this.#last = known
    return known
  }

  /** The name of a host that is discovered, or undefined for one that is not. */
  serviceOf(host: string): ServiceName | undefined {
    const { namespaces, services, spellings } = this.#settings
    const name = parseServiceName(spellings.get(canonicalHost(host)) ?? host, namespaces)
    return name.namespace !== undefined || services.has(name.host) ? name : undefined
  }

  get callsUnderWay(): number {
    return this.#all().reduce((sum, { inFlight }) => sum + inFlight.count, 0)
  }

  known(): readonly KnownRoute[] {
    return [...this.#routes.values()]
  }

  /** What waits for discovery is refused at once, what is on the wire or between two attempts ends in peace. */
  async close(): Promise<void> {
    this.#location.close()
    const closed = this.#cache.close()
    const ended = this.#all().map(async (route) => {
      await route.inFlight.whenIdle()
      await end(route)
    })
    await allEnded([closed, ...ended]).finally(() => this.#cache.forget())
    this.#lag.close()
  }

  async destroy(error: Error | null): Promise<void> {
    this.#lag.close()
    this.#location.close()
    const closed = this.#cache.close()
    const ended = this.#all().map(async (route) => {
      route.inFlight.destroy(error ?? new ClosedError('the client'))
      await route.pools.destroy(error)
      await end(route)
    })
    await allEnded([closed, ...ended]).finally(() => this.#cache.forget())
  }

  #all(): readonly KnownRoute[] {
    return [...this.#routes.values(), ...this.#retired]
  }

  /** Nobody has called it for long; its calls, if there are any, end in peace. */
  async #retire(route: KnownRoute): Promise<void> {
    this.#retired.add(route)
    if (route === this.#last) {
      this.#lastKey = undefined
      this.#last = undefined
    }
    await route.inFlight.whenIdle()
    this.#retired.delete(route)
    route.cluster.close()
    for (const service of route.holds) this.#cache.release(service)
    await end(route)
  }

  #open(key: string): KnownRoute | undefined {
    if (!URL.canParse(key)) return undefined
    const url = new URL(key)
    const service = url.protocol in DEFAULT_PORT ? this.serviceOf(url.hostname) : undefined
    if (service === undefined) {
      this.#elsewhere.set(key, true)
      return undefined
    }
    // The same place may be written in several ways: upper case, an explicit default port, a trailing slash.
    const known = key === url.origin ? undefined : this.#routes.get(url.origin)
    if (known !== undefined) return known
    const route = this.#make(url, service)
    // The cache has not seen its last uses: it must not be the one that makes room.
    if (this.#lastKey !== undefined) this.#routes.get(this.#lastKey)
    this.#routes.set(url.origin, route)
    return route
  }

  #make(url: URL, service: ServiceName): KnownRoute {
    const { clock, random, services, defaults } = this.#settings
    const settings = services.get(service.host) ?? defaults
    const pools = new Pools({
      origin: url.origin,
      connectMs: settings.connectMs,
      pool: settings.pool,
      fallbackPool: fallbackPoolOf(settings),
      clock,
    })
    const peers = settings.zone?.peers === undefined ? undefined : this.#peersOf(settings.zone.peers)
    const cluster = new Cluster(this.#cache.hold(service), {
      host: service.host,
      portOf: portOf(url, settings),
      fallback: settings.fallback === undefined ? undefined : fallbackEndpoint(settings.fallback, url),
      balancer: settings.balancer,
      outlier: settings.outlier,
      slowStartMs: settings.slowStartMs,
      maxPending: settings.maxPending.perTask,
      subset: settings.subset,
      callerLocality: this.#callerLocality(settings, peers),
      clock,
      random,
      onDeparted: (upstream) => pools.drain(upstream),
    })
    return {
      origin: url.origin,
      service,
      holds: peers === undefined ? [service] : [service, peers],
      host: service.host,
      cluster,
      // Bound: it may be a method of a class of the user's.
      keyOf: settings.balancer.keyOf?.bind(settings.balancer),
      pools,
      retry: settings.retry,
      budget: new RetryBudget(settings.budget, clock.now()),
      connectMs: settings.connectMs,
      hedgePolicy: settings.hedge === undefined ? undefined : new HedgePolicy(settings.hedge, clock.now()),
      deadlineHeader: settings.deadlineHeader,
      assumedPort: url.port === '' && settings.port === undefined ? DEFAULT_PORT[url.protocol] : undefined,
      limits: {
        queue: new TimeLimit(clock, settings.queueMs),
        attempt: new TimeLimit(clock, settings.attemptMs),
      },
      mayQueue:
        mayQueue(settings.pool) || (settings.fallback !== undefined && mayQueue(fallbackPoolOf(settings))),
      deadlineMs: settings.deadlineMs,
      inFlight: new InFlight(),
      maxPending: settings.maxPending,
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
      source: new ConfiguredLocation(this.#location, zone),
      peers: peers === undefined ? undefined : this.#cache.hold(peers),
    }
  }
}

/** Port: what the caller wrote, else what the user set, else the instance's, else the scheme's. */
function portOf(url: URL, settings: ServiceSettings): (endpoint: Endpoint) => number {
  const written = url.port === '' ? undefined : Number(url.port)
  const schemes = DEFAULT_PORT[url.protocol] ?? 80
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
    port: url.port === '' ? DEFAULT_PORT[url.protocol] : Number(url.port),
    tier: 1,
    zone: undefined,
    weight: 1,
    id: undefined,
    attributes: undefined,
    origin: preserveHost ? `${url.protocol}//${caller.host}` : url.origin,
  }
}

/** The service's options for connections, with those of the fallback instead where it has any. */
function fallbackPoolOf({ pool, fallback }: ServiceSettings): ServiceSettings['pool'] {
  return { ...pool, ...fallback?.pool }
}

/** To be called when none of its calls is under way. */
async function end({ limits, pools }: KnownRoute): Promise<void> {
  limits.queue.close()
  limits.attempt.close()
  await pools.close()
}

/** Waits for all, also where one fails; then fails with the first failure. */
async function allEnded(endings: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(endings)
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

import { LRUCache } from 'lru-cache'
import { ClosedError } from '../core/errors.ts'
import { LoopLag } from '../core/loop-lag.ts'
import type { SnapshotCache } from '../discovery/cache.ts'
import { canonicalHost, parseServiceName, type ServiceName } from '../discovery/service-name.ts'
import type { Routes } from './dispatcher.ts'
import { RouteFactory, type CallerLocation, type KnownRoute } from './route-factory.ts'
import type { RouterSettings } from './settings.ts'

const MAX_ORIGINS = 1_000

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
  readonly #factory: RouteFactory
  readonly #routes: LRUCache<string, KnownRoute>
  /** Origins that are not discovered: a process-wide dispatcher parses each once. */
  readonly #elsewhere = new LRUCache<string, true>({ max: MAX_ORIGINS })
  /** Routes that made room for others and still have calls in flight. */
  readonly #retired = new Set<KnownRoute>()
  /** Found last, and nearly always the next one. A look into the LRU cache costs more than a pick. */
  #lastKey: string | undefined = undefined
  #last: KnownRoute | undefined = undefined

  constructor(settings: RouterSettings, cache: SnapshotCache, location: CallerLocation) {
    this.#settings = settings
    this.#cache = cache
    this.#lag = new LoopLag(settings.clock)
    this.#location = location
    this.#factory = new RouteFactory(settings, cache, this.#lag, location)
    this.#routes = new LRUCache({
      max: MAX_ORIGINS,
      // The least used origin makes room. Its calls go on; no caller waits for its end, which cannot fail them.
      dispose: (route) => void this.#retire(route).catch(() => undefined),
    })
  }

  find(origin: string | URL | undefined): KnownRoute | undefined {
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
    const { namespaces, services, spellings, discoversEveryHost } = this.#settings
    const name = parseServiceName(spellings.get(canonicalHost(host)) ?? host, namespaces)
    const isDiscovered = name.namespace !== undefined || services.has(name.host) || discoversEveryHost
    return isDiscovered ? name : undefined
  }

  get callsUnderWay(): number {
    return this.#all().reduce((sum, { inFlight }) => sum + inFlight.count, 0)
  }

  known(): readonly KnownRoute[] {
    return [...this.#routes.values()]
  }

  /** Calls that wait for discovery are refused at once. Those on the wire, or between two attempts, go on. */
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

  /** The least used route makes room for others. It closes when its calls have ended. */
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
    const isHttp = url.protocol === 'http:' || url.protocol === 'https:'
    const service = isHttp ? this.serviceOf(url.hostname) : undefined
    if (service === undefined) {
      this.#elsewhere.set(key, true)
      return undefined
    }
    // The same place may be written in several ways: upper case, an explicit default port, a trailing slash.
    const known = key === url.origin ? undefined : this.#routes.get(url.origin)
    if (known !== undefined) return known
    const route = this.#factory.make(url, service)
    // The cache has not seen its last uses: it must not be the one that makes room.
    if (this.#lastKey !== undefined) this.#routes.get(this.#lastKey)
    this.#routes.set(url.origin, route)
    return route
  }
}

/** Call it when none of its calls is in flight. */
async function end({ limits, pools, leases }: KnownRoute): Promise<void> {
  leases.close()
  limits.queue.close()
  limits.attempt.close()
  await pools.close()
}

/** Waits for all, also where one fails; then fails with the first failure. */
async function allEnded(endings: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(endings)
  for (const result of results) if (result.status === 'rejected') throw result.reason
}

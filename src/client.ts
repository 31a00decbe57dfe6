import { Dispatcher1Wrapper, type request } from 'undici'
import { MetadataLocation } from './caller-location.ts'
import { checkKeys, checkMs } from './core/check/check.ts'
import { checkFunction } from './core/check/functions.ts'
import { keepAlive, type Clock } from './core/clock.ts'
import { globalDispatchers } from './core/global-dispatcher.ts'
import { ClosedError, InvalidOptionsError, ResolutionFailedError } from './core/errors.ts'
import { SnapshotCache } from './discovery/cache.ts'
import { Watch, type SnapshotListener } from './discovery/view/watch.ts'
import type { Snapshot } from './discovery/endpoint.ts'
import { isHost, type ServiceName } from './discovery/service-name.ts'
import type { CallOptions } from './dispatch/request/call-options.ts'
import { wantsH2c } from './dispatch/connections/connector.ts'
import { DiscoveryDispatcher } from './dispatch/dispatcher.ts'
import { InterceptedDispatcher } from './dispatch/intercepted-dispatcher.ts'
import { acquire, type AcquireOptions } from './dispatch/lease/acquire.ts'
import type { Lease } from './dispatch/lease/lease.ts'
import { PassThrough } from './dispatch/passthrough/passthrough.ts'
import { mayBeHttp2 } from './dispatch/connections/pool-options.ts'
import { fetchOver, requestOver } from './fetch.ts'
import { inspectClient } from './inspect.ts'
import type { Inspection } from './inspection.ts'
import type { ClientOptions, ClientSettings } from './config/options.ts'
import { RouteTable } from './dispatch/router.ts'
import { settingsFor } from './dispatch/settings.ts'
import { settingsOf } from './config/settings.ts'
import { resolverOf } from './resolver.ts'

type UndiciOptions = NonNullable<Parameters<typeof request>[1]>

/** Calls discovered services directly, and every other host as undici does. */
export interface Client extends AsyncDisposable {
  /**
   * The WHATWG `fetch`, over this client. A property of its own, so it can be handed on:
   * `createApi({ fetch: client.fetch })`. Failures are `TypeError: fetch failed` with the cause, as in any fetch.
   * Takes {@link CallOptions} beside its own; each request of a redirect has its own deadline.
   */
  readonly fetch: typeof globalThis.fetch &
    ((input: string | URL | globalThis.Request, init?: RequestInit & CallOptions) => Promise<Response>)
  /**
   * undici's `request`, over this client, with {@link CallOptions}; takes Node's own `FormData` as well as undici's.
   * Rejects with the errors of this library.
   */
  readonly request: typeof request &
    ((
      url: string | URL,
      // undici's own `idempotent` may not be undefined.
      options?: Omit<UndiciOptions, 'idempotent' | 'body'> &
        CallOptions & { readonly body?: UndiciOptions['body'] | globalThis.FormData | undefined },
    ) => ReturnType<typeof request>)
  /** For `setGlobalDispatcher`, for `fetch(url, { dispatcher })`, and for undici's other calls. */
  readonly dispatcher: DiscoveryDispatcher
  /**
   * The endpoints of a service, from the cache or looked up.
   * @throws InvalidOptionsError for a host that is in no namespace and no key of `services`
   * @throws ResolutionFailedError when nothing can be found out about it
   */
  resolve(host: string): Promise<Snapshot>
  /** Whether calls to a host go to its tasks: it is in a namespace, or a key of `services`. */
  discovers(host: string): boolean
  /**
   * Keeps the endpoints of a service fresh without calls, and passes each other set of them to `listener`: what is known
   * before this returns, the rest as soon as it is there. Disposing of it ends that, as `close` does. It does not keep the
   * process alive. Lookups that fail are events (`onehop:resolve.failed`). What `listener` throws is an
   * `uncaughtException`, as with all events.
   * @throws InvalidOptionsError for a host that is not discovered, or if `listener` is not a function
   * @throws ClosedError
   */
  watch(host: string, listener: SnapshotListener): Disposable
  /**
   * Picks an upstream as a call would, for those that send their requests themselves: at once if the service is known,
   * else as soon as it is. The lease counts as a call in flight until its `end`.
   * @param origin scheme (http or https), host and port, e.g. `http://orders.shop.local`
   * @throws InvalidOptionsError for an origin that is not discovered
   * @throws ClosedError, and what the call would fail with; the promise rejects with the same errors
   */
  acquire(origin: string | URL, options?: AcquireOptions): Lease | Promise<Lease>
  /** What the client knows and does at this moment, as plain JSON. */
  inspect(): Inspection
  /**
   * Refuses new calls with `ONEHOP_CLOSED`, waits for those under way, and frees every socket and timer.
   * With `withinMs`, what is still under way after that is cut: `process.on('SIGTERM', () => client.close({ withinMs: 20_000 }))`.
   * `client.dispatcher.destroy()` cuts everything at once.
   * @throws InvalidOptionsError for a time that is not allowed
   */
  close(options?: { readonly withinMs?: number | undefined }): Promise<void>
}

/**
 * Makes a client. It opens no connection until the first call, but begins to load the AWS SDK if discovery will ask the Cloud
 * Map API. Close it when the process stops.
 * @throws InvalidOptionsError at once, for the first option that is unknown or not allowed
 */
export function createClient(options: ClientOptions = {}): Client {
  const settings = settingsOf(options)
  const { clock, random } = settings
  const resolver = resolverOf(settings)
  const cache = new SnapshotCache({ resolver, clock, random })
  const routes = new RouteTable(settings, cache, new MetadataLocation(clock))
  const elsewhere = passThroughOf(settings)
  const dispatcher =
    settings.interceptors.length === 0
      ? new DiscoveryDispatcher(routes, elsewhere)
      : new InterceptedDispatcher(routes, elsewhere, settings.interceptors)

  const asksForHttp2 = (url: string): boolean => {
    const { protocol, hostname } = new URL(url)
    const service = routes.serviceOf(hostname)
    if (service === undefined) return false
    const { pool } = settingsFor(service, settings)
    return mayBeHttp2(pool) && (protocol === 'https:' || wantsH2c(pool))
  }
  const discoveredHosts = (): string =>
    `a host under ${settings.namespaces.map((name) => `.${name}`).join(', ') || 'a namespace (none is configured)'}, or a key of services`
  // A URL would be taken for a service of that name.
  const serviceOf = (host: string): ServiceName | undefined =>
    isHost(host) ? routes.serviceOf(host) : undefined
  const discovered = (host: string): ServiceName => {
    const service = serviceOf(host)
    if (service === undefined) throw new InvalidOptionsError('host', host, discoveredHosts())
    return service
  }
  const end = async (limitMs: number | undefined): Promise<void> => {
    const closing = dispatcher.close()
    if (limitMs === undefined) return closing
    // `closing` ends with it, and with the same error.
    const timer = clock.setTimer(() => void dispatcher.destroy().catch(() => undefined), limitMs, true)
    await closing.finally(() => timer.cancel())
  }
  const close: Client['close'] = (given = {}) => {
    let limitMs: number | undefined
    try {
      const { withinMs } = checkKeys('close', given, ['withinMs'])
      limitMs = withinMs === undefined ? undefined : checkMs('close.withinMs', withinMs)
    } catch (error) {
      return Promise.reject(error)
    }
    const ended = end(limitMs)
    // A signal handler that does not wait for it must not kill the process, because a resolver fails to close.
    ended.catch(() => undefined)
    return ended
  }
  return {
    dispatcher,
    fetch: fetchOver(dispatcher, asksForHttp2),
    request: requestOver(dispatcher) as Client['request'],
    async resolve(host) {
      if (dispatcher.closed) throw new ClosedError('the client')
      const service = discovered(host)
      const view = cache.view(service)
      const { port } = settingsFor(service, settings)
      const needsPort = port === undefined
      if (!view.touch(clock.now(), needsPort)) await awaited(clock, view.whenUsable(needsPort))
      if (view.snapshot === undefined)
        throw view.error ?? new ResolutionFailedError(host, 'nothing is known of it')
      return view.snapshot
    },
    discovers: (host) => serviceOf(host) !== undefined,
    watch(host, listener) {
      const service = discovered(host)
      checkFunction('listener', listener, 'a function (snapshot) => void')
      if (dispatcher.closed) throw new ClosedError('the client')
      return new Watch(cache.hold(service), listener, clock, () => cache.release(service))
    },
    acquire(origin, given = {}) {
      if (dispatcher.closed) throw new ClosedError('the client')
      const route = typeof origin === 'string' || origin instanceof URL ? routes.find(origin) : undefined
      if (route === undefined)
        throw new InvalidOptionsError('origin', origin, `http:// or https:// and ${discoveredHosts()}`)
      return acquire(route, given)
    },
    inspect: () => inspectClient(cache, routes, resolver, settings.cloudMap.pricePerMillion, clock.now()),
    close,
    [Symbol.asyncDispose]: () => close(),
  }
}

function passThroughOf({ passthrough }: ClientSettings): PassThrough {
  return new PassThrough(
    passthrough === undefined
      ? globalDispatchers(Dispatcher1Wrapper)
      : { legacy: passthrough, current: passthrough },
  )
}

/** Keeps the process alive until it is there: lookups do not do so by themselves. */
async function awaited<Result>(clock: Clock, result: Promise<Result>): Promise<Result> {
  const waiting = keepAlive(clock)
  return result.finally(() => waiting.cancel())
}

import { Dispatcher1Wrapper, fetch as undiciFetch, FormData, Request, request, type Dispatcher } from 'undici'
import { checkKeys, checkMs } from './core/check.ts'
import { globalDispatchers } from './core/global-dispatcher.ts'
import { ClosedError, InvalidOptionsError, ResolutionFailedError } from './core/errors.ts'
import { addressGuard, guarded } from './discovery/address-guard.ts'
import { autoResolver } from './discovery/auto.ts'
import { SnapshotCache } from './discovery/cache.ts'
import { cloudMapResolver } from './discovery/cloud-map.ts'
import { dnsResolver } from './discovery/dns.ts'
import type { Snapshot } from './discovery/endpoint.ts'
import type { Resolver } from './discovery/resolver.ts'
import { withCallOptions, wrongFetchKey, wrongRequestKey, type CallOptions } from './dispatch/call-options.ts'
import { DiscoveryDispatcher } from './dispatch/dispatcher.ts'
import { PassThrough } from './dispatch/pass-through.ts'
import { inspectService, type Inspection } from './inspect.ts'
import type { ClientOptions, ClientSettings } from './options.ts'
import { RouteTable } from './routes.ts'
import { settingsOf } from './settings.ts'

/** Calls discovered services directly, and every other host as undici does. */
export interface Client extends AsyncDisposable {
  /**
   * The WHATWG `fetch`, over this client. A property of its own, so it can be handed on:
   * `createApi({ fetch: client.fetch })`. Failures are `TypeError: fetch failed` with the cause, as in any fetch.
   * Takes {@link CallOptions} beside its own; each request of a redirect has its own deadline.
   */
  readonly fetch: typeof globalThis.fetch &
    ((input: string | URL | globalThis.Request, init?: RequestInit & CallOptions) => Promise<Response>)
  /** undici's `request`, over this client, with {@link CallOptions}. Rejects with the errors of this library. */
  readonly request: typeof request &
    ((
      url: string | URL,
      // undici's own `idempotent` may not be undefined.
      options?: Omit<NonNullable<Parameters<typeof request>[1]>, 'idempotent'> & CallOptions,
    ) => ReturnType<typeof request>)
  /** For `setGlobalDispatcher`, for `fetch(url, { dispatcher })`, and for undici's other calls. */
  readonly dispatcher: DiscoveryDispatcher
  /**
   * The endpoints of a service, from the cache or looked up.
   * @throws InvalidOptionsError for a host that is in no namespace and no key of `services`
   * @throws ResolutionFailedError when nothing can be found out about it
   */
  resolve(host: string): Promise<Snapshot>
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
 * @throws InvalidOptionsError at once, for the first option that is unknown or not allowed
 */
export function createClient(options: ClientOptions = {}): Client {
  const settings = settingsOf(options)
  const { clock, random } = settings
  const cache = new SnapshotCache({ resolver: resolverOf(settings), clock, random })
  const routes = new RouteTable(settings, cache)
  const dispatcher = new DiscoveryDispatcher(routes, passThroughOf(settings))
  let closing: Promise<void> | undefined

  const close: Client['close'] = async (given = {}) => {
    const { withinMs } = checkKeys('close', given, ['withinMs'])
    const limitMs = withinMs === undefined ? undefined : checkMs('close.withinMs', withinMs)
    closing ??= dispatcher.close()
    if (limitMs === undefined) return closing
    const timer = clock.setTimer(() => void dispatcher.destroy(), limitMs, true)
    await closing.finally(() => timer.cancel())
  }
  return {
    dispatcher,
    fetch: fetchOver(dispatcher),
    request: ((url: string | URL, init?: object) => {
      const wrong = wrongRequestKey(init)
      return wrong === undefined ? request(url, { ...init, dispatcher }) : Promise.reject(wrong)
    }) as Client['request'],
    async resolve(host) {
      if (closing !== undefined) throw new ClosedError('the client')
      const service = routes.serviceOf(host)
      if (service === undefined) {
        const allowed = `a host under ${settings.namespaces.map((name) => `.${name}`).join(', ') || 'a namespace (none is configured)'}, or a key of services`
        throw new InvalidOptionsError('host', host, allowed)
      }
      const view = cache.view(service)
      if (clock.now() >= view.usableUntil) await view.whenUsable()
      else view.usedAt = clock.now()
      if (view.snapshot === undefined)
        throw view.error ?? new ResolutionFailedError(host, 'nothing is known of it')
      return view.snapshot
    },
    inspect() {
      const now = clock.now()
      const known = routes.known()
      return {
        callsUnderWay: routes.callsUnderWay,
        services: Object.fromEntries(
          cache.views().map((view) => {
            const { host } = view.service
            return [
              host,
              inspectService(
                view,
                known.filter((route) => route.host === host),
                now,
              ),
            ]
          }),
        ),
      }
    },
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

function resolverOf(settings: ClientSettings): Resolver {
  const { clock, random, discovery, allowLoopback, allowAddresses } = settings
  const guard = addressGuard({ allowLoopback, ...(allowAddresses === undefined ? {} : { allowAddresses }) })
  const dns = dnsResolver({ ...settings.dns, clock })
  const api = cloudMapResolver({ ...settings.cloudMap, clock, random })
  switch (discovery) {
    case 'dns':
      return guarded(dns, guard)
    case 'api':
      return guarded(api, guard)
    case 'auto':
      return guarded(autoResolver({ api, dns, clock }), guard)
    default:
      return discovery.trusted === true ? discovery : guarded(discovery, guard)
  }
}

/**
 * undici's fetch knows its own `Request` and `FormData` only. Node's global ones, which most code has at hand,
 * would become the strings "[object Request]" and "[object FormData]".
 */
function fetchOver(dispatcher: Dispatcher): typeof globalThis.fetch {
  const fetch = async (input: unknown, init?: RequestInit & CallOptions): Promise<unknown> => {
    const wrong = wrongFetchKey(init, dispatcher)
    if (wrong !== undefined) throw wrong
    const options = { ...init, dispatcher: withCallOptions(dispatcher, init) } as {
      body?: unknown
      dispatcher: Dispatcher
    }
    if (isForeignForm(options.body)) options.body = ownForm(options.body)
    return undiciFetch(isForeignRequest(input) ? ownRequest(input) : (input as string), options as never)
  }
  return fetch as typeof globalThis.fetch
}

function isForeignRequest(input: unknown): input is globalThis.Request {
  return input instanceof globalThis.Request && !(input instanceof Request)
}

function ownRequest(foreign: globalThis.Request): Request {
  const { method, headers, body, signal, redirect, integrity, keepalive, referrerPolicy } = foreign
  return new Request(foreign.url, {
    method,
    signal,
    redirect,
    integrity,
    keepalive,
    referrerPolicy,
    headers: [...headers],
    ...(body === null ? {} : { body, duplex: 'half' }),
  } as never)
}

function isForeignForm(body: unknown): body is globalThis.FormData {
  return body instanceof globalThis.FormData && !(body instanceof FormData)
}

function ownForm(foreign: globalThis.FormData): FormData {
  const form = new FormData()
  for (const [name, value] of foreign) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, value, value.name)
  }
  return form
}

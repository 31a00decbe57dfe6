/** Other libraries for discovery by DNS, with the DNS server of the local AWS. */
import { promises } from 'node:dns'
import CacheableLookup from 'cacheable-lookup'
import { Dispatcher, interceptors } from 'undici'

const CONTROLLER = {
  aborted: false,
  paused: false,
  reason: null,
  rawHeaders: null,
  rawTrailers: null,
  abort: () => undefined,
  pause: () => undefined,
  resume: () => undefined,
} as unknown as Dispatcher.DispatchController

const NO_HEADERS = {}

/** The end of a chain of dispatchers: it accepts a request and does nothing. */
export class SilentTerminal extends Dispatcher {
  override dispatch(): boolean {
    return true
  }
}

/** The same, but it answers each request before `dispatch` returns: 200, without a body. */
export class InstantTerminal extends Dispatcher {
  override dispatch(_options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    handler.onRequestStart?.(CONTROLLER, null)
    handler.onResponseStart?.(CONTROLLER, 200, NO_HEADERS, 'OK')
    handler.onResponseEnd?.(CONTROLLER, NO_HEADERS)
    return true
  }
}

/** The smallest options that a dispatcher accepts. */
export class IgnoringHandler implements Dispatcher.DispatchHandler {
  onRequestStart(): void {}
  onResponseStart(): void {}
  onResponseData(): void {}
  onResponseEnd(): void {}
  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    throw error
  }
}

export function resolverAt(server: string): promises.Resolver {
  // Short, because a burst of packets may overflow the server's buffer, and dropped packets cost a full timeout.
  const resolver = new promises.Resolver({ timeout: 250, tries: 8 })
  resolver.setServers([server])
  return resolver
}

/** `lookup: false`: unknown names must not go to the machine's resolver. */
export function cacheableLookupAt(server: string): CacheableLookup {
  return new CacheableLookup({ resolver: resolverAt(server), lookup: false })
}

/**
 * undici's interceptor with a `lookup` that returns the TTLs of the A records. The default lookup uses getaddrinfo,
 * which returns no TTLs; the interceptor then keeps addresses for 10 s.
 */
export function dnsInterceptorAt(server: string): Dispatcher.DispatcherComposeInterceptor {
  const resolver = resolverAt(server)
  return interceptors.dns({
    maxTTL: 60_000,
    dualStack: false,
    affinity: 4,
    lookup: (origin, _options, callback) => {
      resolver.resolve4(origin.hostname, { ttl: true }).then(
        (records) =>
          callback(
            null,
            records.map(({ address, ttl }) => ({ address, ttl: ttl * 1000, family: 4 as const })),
          ),
        (error: Error) => callback(error, []),
      )
    },
  })
}

/** One request through a dispatcher, to its end. */
export function call(dispatcher: Dispatcher, origin: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => undefined,
      onResponseStart: () => undefined,
      onResponseData: () => undefined,
      onResponseEnd: () => resolve(),
      onResponseError: (_controller, error) => reject(error),
    }
    dispatcher.dispatch({ origin, path: '/', method: 'GET' }, handler)
  })
}

import { Dispatcher, errors } from 'undici'
import { ClosedError } from '../core/errors.ts'
import { callTracing } from '../core/tracing.ts'
import { Call } from './call/call.ts'
import { TracedCall } from './call/traced-call.ts'
import { asCurrent, withoutDispatcher } from './request/current-handler.ts'
import { checkHandler } from './request/handler.ts'
import { withOneLength } from './passthrough/one-length.ts'
import type { Route } from './route.ts'

/** The routes of a dispatcher, by origin. */
export interface Routes {
  /** The route of an origin; undefined if it is not discovered. Called for every request. */
  find(origin: string | URL | undefined): Route | undefined
  /** Closes all routes, after the calls in flight. */
  close(): Promise<void>
  /** Closes all routes, and ends the calls in flight. */
  destroy(error: Error | null): Promise<void>
}

/**
 * undici's dispatcher for discovered services. Requests to other hosts pass through.
 *
 * One dispatcher, not a chain of interceptors: a retry picks again, skips what was tried, and reports each outcome. Those of
 * users go around it (`InterceptedDispatcher`). `compose` returns a proxy, which cannot read `#private` fields: so this
 * class alone uses TypeScript's `private`.
 */
export class DiscoveryDispatcher extends Dispatcher {
  private readonly routes: Routes
  /** Takes the requests of hosts that are not discovered. */
  readonly elsewhere: Dispatcher
  private ending: Promise<void> | undefined = undefined
  private readonly destruction: PromiseWithResolvers<void> = Promise.withResolvers()
  private isDestroyed = false

  /** @param elsewhere takes the requests of hosts that are not discovered; closed along with this */
  constructor(routes: Routes, elsewhere: Dispatcher) {
    super()
    this.routes = routes
    this.elsewhere = elsewhere
    // A rejection without a listener would end the process.
    this.destruction.promise.catch(() => undefined)
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (!isObject(handler)) throw new errors.InvalidArgumentError('handler must be an object')
    const current = asCurrent(handler)
    const legacy = current !== handler
    let call: Call
    try {
      if (!isObject(options)) throw new errors.InvalidArgumentError('opts must be an object.')
      if (this.ending !== undefined) throw new ClosedError('the client')
      checkHandler(current, options)
      const http1Only = legacy || (options as { allowH2?: boolean }).allowH2 === false
      // undici's wrapper of a global dispatcher converts a legacy handler, but not its options.
      const asked = withoutDispatcher(http1Only ? withOneLength(options) : options, legacy)
      const route = this.routes.find(asked.origin)
      if (route === undefined) return this.elsewhere.dispatch(legacy ? withoutHttp2(asked) : asked, current)
      const Kind = callTracing.hasSubscribers ? TracedCall : Call
      call = new Kind(route, asked, current, http1Only)
    } catch (error) {
      if (typeof current.onResponseError !== 'function') throw error
      // undici's contract: the handler gets all failures, also those without a controller.
      current.onResponseError(null as never, error as Error)
      return false
    }
    // From here on the call notifies the handler. An error thrown here is the handler's own.
    call.start()
    return true
  }

  /** Whether new requests are refused. */
  get closed(): boolean {
    return this.ending !== undefined
  }

  /** Whether requests in flight were ended. */
  get destroyed(): boolean {
    return this.isDestroyed
  }

  override close(callback?: () => void): Promise<void> & void {
    checkCallback(callback)
    // After `destroy`, requests that wait in undici may never end.
    this.ending ??= Promise.race([
      both(this.routes.close(), this.elsewhere.close()),
      this.destruction.promise,
    ])
    return settle(this.ending, callback)
  }

  override destroy(first?: Error | null | (() => void), second?: () => void): Promise<void> & void {
    const error = typeof first === 'function' ? null : (first ?? null)
    const callback = typeof first === 'function' ? first : second
    checkCallback(callback)
    this.isDestroyed = true
    this.ending = both(this.routes.destroy(error), this.elsewhere.destroy(error))
    this.ending.then(this.destruction.resolve, this.destruction.reject)
    return settle(this.ending, callback)
  }
}

async function both(one: Promise<void>, other: Promise<void>): Promise<void> {
  // Waits for the second also if the first fails.
  await Promise.allSettled([one, other])
  await one
  await other
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** The same options for a request that cannot use HTTP/2. */
export function withoutHttp2(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
  return { ...options, allowH2: false } as Dispatcher.DispatchOptions
}

function checkCallback(callback: unknown): void {
  if (callback !== undefined && typeof callback !== 'function')
    throw new errors.InvalidArgumentError('invalid callback')
}

type Callback = (error: Error | null, nothing: null) => void

/** As in undici: returns a promise, or calls the callback. An error thrown by the callback is uncaught. */
export function settle(ending: Promise<void>, callback: (() => void) | undefined): Promise<void> & void {
  if (callback === undefined) return ending as Promise<void> & void
  const notify = (error: Error | null): void => queueMicrotask(() => (callback as Callback)(error, null))
  void ending.then(() => notify(null), notify)
  return undefined as unknown as Promise<void> & void
}

import { types } from 'node:util'
import type { Dispatcher } from 'undici'
import { InvalidOptionsError } from '../core/errors.ts'
import { DiscoveryDispatcher, withoutHttp2, type Routes } from './dispatcher.ts'
import { withOneLength } from './passthrough/one-length.ts'
import { asCurrent, withoutDispatcher } from './request/current-handler.ts'
import { checkHandler } from './request/handler.ts'

/** `(dispatch) => (options, handler) => boolean`, as undici's `compose` takes it. */
export type Interceptor = Dispatcher.DispatcherComposeInterceptor

type Dispatch = Dispatcher.Dispatch

/**
 * A dispatcher with interceptors around whole calls: discovery, attempts, retries and hedges are beneath them. So an
 * interceptor sees one request and one response, however many attempts there were.
 *
 * A class of its own and not undici's `compose`: that one returns a proxy, and passes handlers of undici 6 and 7 (the
 * built-in `fetch` of Node 22 and 24) to interceptors that do not know them.
 */
export class InterceptedDispatcher extends DiscoveryDispatcher {
  private readonly chain: Dispatch

  /**
   * @param interceptors the last one is the outermost, as in `compose`
   * @throws InvalidOptionsError for one that does not return a dispatch function
   */
  constructor(routes: Routes, elsewhere: Dispatcher, interceptors: readonly Interceptor[]) {
    super(routes, elsewhere)
    this.chain = chained((options, handler) => super.dispatch(options, handler), interceptors)
  }

  /** What an interceptor throws is thrown here. `fetch` and `request` reject with it, and with what an async one rejects with. */
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const current = this.closed ? undefined : allowed(options, handler)
    if (current === undefined) return super.dispatch(options, handler)
    // Only its handler shows that it cannot take HTTP/2, and that is another one from here on.
    if (current === handler) return this.chain(options, current)
    return this.chain(withoutHttp2(withOneLength(withoutDispatcher(options, true))), current)
  }
}

/** The handler that the interceptors get; undefined for a request that is refused as without them. */
function allowed(
  options: Dispatcher.DispatchOptions,
  handler: Dispatcher.DispatchHandler,
): Dispatcher.DispatchHandler | undefined {
  try {
    const current = asCurrent(handler)
    checkHandler(current, options)
    return current
  } catch {
    return undefined
  }
}

const ALLOWED =
  'a function (dispatch) => (options, handler) => boolean, as compose() of undici takes it: interceptors.retry(), not interceptors.retry'

function chained(innermost: Dispatch, interceptors: readonly Interceptor[]): Dispatch {
  let dispatch = innermost
  for (const [index, interceptor] of interceptors.entries()) {
    const next: unknown = interceptor(dispatch)
    // undici's own check: a function of another length is an interceptor itself, or its factory.
    if (typeof next !== 'function' || next.length !== 2)
      throw new InvalidOptionsError(`interceptors[${index}]`, interceptor, ALLOWED)
    dispatch = withoutRejections(next as Dispatch)
  }
  return dispatch
}

/**
 * Async interceptors, e.g. for a token, work without being in undici's types. What one rejects with is the call's error, too:
 * nothing awaits it, and an unhandled rejection would end the process.
 */
function withoutRejections(dispatch: Dispatch): Dispatch {
  return (options, handler) => {
    const result: unknown = dispatch(options, handler)
    if (!types.isPromise(result)) return result as boolean
    return result.catch((error: Error) => {
      handler.onResponseError?.(null as never, error)
      return false
    }) as never
  }
}

import { InvalidOptionsError, type Client } from '../index.ts'
import { Dispatcher1Wrapper, type Dispatcher } from 'undici'
import { asCurrent } from '../dispatch/request/current-handler.ts'
import { PassedCall } from '../dispatch/passthrough/passed-call.ts'
import type { DiscoveredHosts } from './discovered-hosts.ts'
import { warnOfReplacement } from './replaced-dispatcher.ts'

/** What the built-in `fetch` of Node 22 and 24 goes by, and npm's undici up to version 7. */
const LEGACY = Symbol.for('undici.globalDispatcher.1')
/** What the built-in `fetch` of Node 26 goes by, and npm's undici from version 8 on. */
const CURRENT = Symbol.for('undici.globalDispatcher.2')

/** Marks the dispatcher that is global. One that is composed with it shows the mark, too. */
const IN_FRONT: unique symbol = Symbol('onehop in front')

type Interceptor = Dispatcher.DispatcherComposeInterceptor

/**
 * Whether `compose` of Node's own undici takes interceptors of npm's undici 7: in Node 24, which has the same. That of Node 22 knows
 * only handlers of the older contract, and that of Node 26 passes on handlers as they are.
 */
const composesBoth = process.versions['undici']?.startsWith('7.') === true

/** Methods of dispatchers that call `this.dispatch`; and their class, which is a function as well. */
const UNBOUND: ReadonlySet<unknown> = new Set([
  ...['request', 'stream', 'pipeline', 'connect', 'upgrade', 'compose', 'constructor'],
])

/**
 * Stands in front of both global dispatchers. Discovered hosts go to the client. Other requests go, as they are, to the dispatcher
 * that was there before: a proxy agent, a mock, Node's own.
 */
export function routeDispatchers(client: Client, hosts: DiscoveredHosts): Disposable {
  loadNodesOwn()
  const before = { legacy: globalOf(LEGACY), current: globalOf(CURRENT) }
  const { current } = before
  /** Of the dispatchers that are replaced. */
  const names: symbol[] = []
  const legacy = before.legacy ?? (current === undefined ? undefined : new Dispatcher1Wrapper(current))
  const ends = [
    replace(LEGACY, legacy, (options) => ({ ...options, allowH2: false }) as never),
    replace(CURRENT, current, (options) => options),
  ]
  const watch = warnOfReplacement(hosts, () => names.some(isReplaced))
  return {
    [Symbol.dispose]() {
      watch[Symbol.dispose]()
      for (const end of ends) end()
    },
  }

  /** @param adapted what the client gets of a request; legacy callers cannot take HTTP/2 */
  function replace(
    name: symbol,
    previous: Dispatcher | undefined,
    adapted: (options: Dispatcher.DispatchOptions) => Dispatcher.DispatchOptions,
  ): () => void {
    if (previous === undefined) return () => undefined
    names.push(name)
    let isOn = true
    const ours = (name === LEGACY && !composesBoth ? inFrontWithBoth : inFrontOf)(
      previous,
      (options, handler) =>
        isOn && hosts.hasOrigin(options?.origin)
          ? client.dispatcher.dispatch(adapted(options), handler)
          : previous.dispatch(options, handler),
    )
    if (!Reflect.set(globalThis, name, ours))
      throw new InvalidOptionsError('fetch', true, 'false, because globalThis is frozen')
    return () => {
      isOn = false
      // What was set or composed since then stays.
      if (globalOf(name) === ours) Reflect.set(globalThis, name, previous)
    }
  }
}

/**
 * Node makes its dispatcher when it loads its undici, and only if there is none by then. Loaded later, it would find ours, and
 * hosts that are not discovered would go through another undici than before.
 */
function loadNodesOwn(): void {
  Reflect.get(globalThis, 'Headers')
}

/** Whether what is set now does not lead to ours. A class of the application's may lead there without showing it. */
function isReplaced(name: symbol): boolean {
  const dispatcher = globalOf(name)
  if (dispatcher === undefined || Reflect.get(dispatcher, IN_FRONT) === true) return false
  // npm's undici 8 sets the legacy one along with the current one, and around it.
  const kind = Reflect.get(dispatcher, 'constructor') as { readonly name?: string } | undefined
  const isAround = name === LEGACY && kind?.name === Dispatcher1Wrapper.name
  return !isAround || isReplaced(CURRENT)
}

function globalOf(name: symbol): Dispatcher | undefined {
  return Reflect.get(globalThis, name) as Dispatcher | undefined
}

/**
 * Another `dispatch` of a dispatcher, as undici's `compose` does it: all else is the dispatcher's own. `fetch` asks a mock whether
 * it is active, WebSockets ask for limits, and applications close it.
 */
function inFrontOf(previous: Dispatcher, dispatch: Dispatcher['dispatch']): Dispatcher {
  const bound = new WeakMap<object, unknown>()
  return new Proxy(previous, {
    get(target, key) {
      if (key === 'dispatch') return dispatch
      if (key === IN_FRONT) return true
      const value: unknown = Reflect.get(target, key, target)
      if (typeof value !== 'function' || UNBOUND.has(key)) return value
      // Methods read private fields, which a proxy does not have.
      const method: unknown = bound.get(value) ?? value.bind(target)
      bound.set(value, method)
      return method
    },
  })
}

/**
 * The same for a dispatcher of undici 6 or 8. Interceptors of undici 7 have and expect handlers of the newer contract, around those of
 * the older one: without onehop they meet undici 7's own dispatcher, if it is loaded before Node's.
 */
function inFrontWithBoth(previous: Dispatcher, dispatch: Dispatcher['dispatch']): Dispatcher {
  const ours: Dispatcher['dispatch'] = (options, handler) =>
    dispatch(options, typeof handler?.onRequestStart === 'function' ? withBothContracts(handler) : handler)
  const compose = (...given: readonly (Interceptor | readonly Interceptor[])[]): Dispatcher => {
    let composed = ours
    for (const interceptor of given.flat().filter((one) => typeof one === 'function')) {
      const next = interceptor(composed)
      composed = (options, handler) => next(options, withBothContracts(handler))
    }
    return inFrontWithBoth(previous, composed)
  }
  return new Proxy(inFrontOf(previous, ours), {
    get: (target, key) => (key === 'compose' ? compose : (Reflect.get(target, key) as unknown)),
  })
}

function withBothContracts(handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
  return handler instanceof PassedCall ? handler : new PassedCall(asCurrent(handler), () => undefined)
}

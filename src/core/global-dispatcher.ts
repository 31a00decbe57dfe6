/**
 * The process's global dispatcher stays what it was when this library is imported. undici 8, when it is loaded and
 * finds no dispatcher of its own version, makes itself the global one for both versions of the contract. The
 * `fetch` of Node 22 and 24 would then go through npm's undici, and a proxy agent that Node made for
 * `NODE_USE_ENV_PROXY` would be lost.
 *
 * An entry of the package imports before-undici.ts first, and calls `keepGlobalDispatcher` when all is loaded.
 */
import type { Dispatcher } from 'undici'
import { CURRENT_GLOBAL, currentBefore, LEGACY_GLOBAL, legacyBefore } from './before-undici.ts'

/**
 * The dispatcher that undici made current, if there was none. It stays: npm's undici cannot do without. No caller has
 * chosen it, so it says nothing about where requests should go.
 */
let undicisOwn: unknown
let isKept = false

/** Does it once: what is set after the first entry was loaded is not undici's doing. */
export function keepGlobalDispatcher(): void {
  if (isKept) return
  isKept = true
  if (currentBefore === undefined) undicisOwn = Reflect.get(globalThis, CURRENT_GLOBAL)
  // undefined is a value to restore, too: Node then makes its own dispatcher with the first `fetch`. The property itself
  // cannot be deleted. `set` returns false, and does not throw, where globalThis is frozen.
  if (Reflect.get(globalThis, LEGACY_GLOBAL) !== legacyBefore)
    Reflect.set(globalThis, LEGACY_GLOBAL, legacyBefore)
}

/** Where requests go in this process, as set at this moment. */
export interface GlobalDispatchers {
  /** Of requests by the `fetch` of Node 22 and 24. It may know only the handlers of undici 6. */
  readonly legacy: Dispatcher | undefined
  /** Of all other requests. */
  readonly current: Dispatcher | undefined
}

/** @param Wrapper undici's, which stands for the current dispatcher and is set along with it */
export function globalDispatchers(Wrapper: abstract new (...args: never) => Dispatcher): GlobalDispatchers {
  const legacy = Reflect.get(globalThis, LEGACY_GLOBAL) as Dispatcher | undefined
  const current = Reflect.get(globalThis, CURRENT_GLOBAL) as Dispatcher | undefined
  // Node 22 sets only the legacy one, also to its proxy agent.
  const chosen = current === undicisOwn ? legacy : current
  const isChosen = legacy !== undefined && !(legacy instanceof Wrapper)
  return { legacy: isChosen ? legacy : chosen, current: chosen }
}

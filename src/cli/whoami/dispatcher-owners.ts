/**
 * Who owns the global dispatchers of this process. undici and Node share them by two symbols, one for each version of the
 * dispatchers' contract; whatever is loaded first, and `setGlobalDispatcher`, claim them.
 */

/** One of the two symbols. */
export interface DispatcherOwner {
  /** `undici.globalDispatcher.1` */
  readonly symbol: string
  /** Whose requests go there. */
  readonly usedBy: string
  /** The owner, in words. */
  readonly owner: string
}

const SYMBOLS = {
  'undici.globalDispatcher.1': 'fetch of Node 22 and 24, undici up to 7',
  'undici.globalDispatcher.2': 'fetch of Node 26, undici 8',
}

/** Classes that are met in practice; a bundler may have renamed others. */
const KNOWN: Readonly<Record<string, string>> = {
  DiscoveryDispatcher: 'onehop (DiscoveryDispatcher)',
  EnvHttpProxyAgent: 'a proxy of the environment (EnvHttpProxyAgent)',
  ProxyAgent: 'a proxy (ProxyAgent)',
  MockAgent: "undici's mocks (MockAgent)",
  Agent: "undici's default (Agent)",
}

/** Reads both. Call it before undici is loaded, which claims those that are free. */
export function dispatcherOwners(): readonly DispatcherOwner[] {
  return Object.entries(SYMBOLS).map(([symbol, usedBy]) => ({
    symbol,
    usedBy,
    owner: ownerOf(Reflect.get(globalThis, Symbol.for(symbol))),
  }))
}

function ownerOf(dispatcher: unknown): string {
  if (dispatcher === undefined) return 'not set: Node or undici makes one with the first request'
  const name = (dispatcher as { constructor?: { name?: string } }).constructor?.name ?? ''
  return KNOWN[name] ?? (name === '' ? 'an object without class' : name)
}

import { Dispatcher, Dispatcher1Wrapper } from 'undici'

/** A handler of undici 6 or 7, as the built-in `fetch` of Node 22 and 24 uses. */
interface LegacyHandler {
  onConnect?: unknown
  onRequestStart?: unknown
}

/** The handler, or one of undici 8 around a legacy one. */
export function asCurrent(handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
  return isLegacy(handler) ? wrapHandler(handler) : handler
}

/**
 * `request(url, { dispatcher })` of undici 6 and 7, and their `RetryAgent`, leave that option in place, and undici 8 refuses
 * it.
 * @returns options without it; the same ones if it is missing, or a mistake that undici 8 reports: no dispatcher, or one of undici 8
 */
export function withoutDispatcher(
  options: Dispatcher.DispatchOptions,
  isLegacyCall: boolean,
): Dispatcher.DispatchOptions {
  const { dispatcher } = options as { readonly dispatcher?: Partial<Dispatcher> | null }
  if (typeof dispatcher?.dispatch !== 'function') return options
  if (!isLegacyCall && dispatcher instanceof Dispatcher) return options
  return { ...options, dispatcher: undefined } as Dispatcher.DispatchOptions
}

function isLegacy(handler: LegacyHandler): boolean {
  return typeof handler.onConnect === 'function' && typeof handler.onRequestStart !== 'function'
}

// A static method of undici's that its types leave out.
const { wrapHandler } = Dispatcher1Wrapper as unknown as {
  wrapHandler: (handler: LegacyHandler) => Dispatcher.DispatchHandler
}

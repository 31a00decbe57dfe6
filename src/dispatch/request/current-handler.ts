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
 * @returns the same options without one, and where one of undici 8 has been given by mistake, which undici then says
 */
export function withoutDispatcher(
  options: Dispatcher.DispatchOptions,
  isLegacyCall: boolean,
): Dispatcher.DispatchOptions {
  const { dispatcher } = options as { readonly dispatcher?: unknown }
  if (dispatcher === undefined || (!isLegacyCall && dispatcher instanceof Dispatcher)) return options
  return { ...options, dispatcher: undefined } as Dispatcher.DispatchOptions
}

function isLegacy(handler: LegacyHandler): boolean {
  return typeof handler.onConnect === 'function' && typeof handler.onRequestStart !== 'function'
}

// A static method of undici's that its types leave out.
const { wrapHandler } = Dispatcher1Wrapper as unknown as {
  wrapHandler: (handler: LegacyHandler) => Dispatcher.DispatchHandler
}

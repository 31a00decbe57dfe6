import { Dispatcher1Wrapper, type Dispatcher } from 'undici'

/** A handler of undici 6 or 7, as the built-in `fetch` of Node 22 and 24 uses. */
interface LegacyHandler {
  onConnect?: unknown
  onRequestStart?: unknown
}

/** The handler, or one of undici 8 around a legacy one. */
export function asCurrent(handler: Dispatcher.DispatchHandler): Dispatcher.DispatchHandler {
  return isLegacy(handler) ? wrapHandler(handler) : handler
}

function isLegacy(handler: LegacyHandler): boolean {
  return typeof handler.onConnect === 'function' && typeof handler.onRequestStart !== 'function'
}

// A static method of undici's that its types leave out.
const { wrapHandler } = Dispatcher1Wrapper as unknown as {
  wrapHandler: (handler: LegacyHandler) => Dispatcher.DispatchHandler
}

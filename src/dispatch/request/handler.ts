import { errors, type Dispatcher } from 'undici'

/**
 * undici's check of what a caller hands over, in undici's words; it exports none. An attempt has all callbacks, so
 * undici would take it for a caller who hears everything: a request would be sent, and its failure told to nobody.
 * @throws errors.InvalidArgumentError for a handler that lacks what this request needs
 */
export function checkHandler(handler: Dispatcher.DispatchHandler, options: Dispatcher.DispatchOptions): void {
  // Each by its name, and not in a loop: this runs for each request.
  if (typeof handler.onRequestStart !== 'function') throw invalid('onRequestStart')
  if (typeof handler.onResponseError !== 'function') throw invalid('onResponseError')
  if (handler.onBodySent !== undefined && typeof handler.onBodySent !== 'function')
    throw invalid('onBodySent')
  if (handler.onRequestSent !== undefined && typeof handler.onRequestSent !== 'function')
    throw invalid('onRequestSent')
  const { method, upgrade } = options
  if (method === 'CONNECT' || Boolean(upgrade)) {
    if (typeof handler.onRequestUpgrade !== 'function') throw invalid('onRequestUpgrade')
    return
  }
  if (typeof handler.onResponseStart !== 'function') throw invalid('onResponseStart')
  if (typeof handler.onResponseData !== 'function') throw invalid('onResponseData')
  if (typeof handler.onResponseEnd !== 'function') throw invalid('onResponseEnd')
}

function invalid(name: string): Error {
  return new errors.InvalidArgumentError(`invalid ${name} method`)
}

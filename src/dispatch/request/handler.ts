import { errors, type Dispatcher } from 'undici'

/**
 * undici's check of a handler, with undici's messages; undici exports none. undici itself sees only the attempt, which has
 * all callbacks: without this check a request would be sent whose failure the caller never gets.
 * @throws errors.InvalidArgumentError for a handler that lacks what this request needs
 */
export function checkHandler(handler: Dispatcher.DispatchHandler, options: Dispatcher.DispatchOptions): void {
  // No loop: this runs for each request.
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

import { errors, type Dispatcher } from 'undici'

const ALWAYS = ['onRequestStart', 'onResponseError'] as const
const OPTIONAL = ['onBodySent', 'onRequestSent'] as const
const FOR_UPGRADES = ['onRequestUpgrade'] as const
const FOR_RESPONSES = ['onResponseStart', 'onResponseData', 'onResponseEnd'] as const

/**
 * undici's check of what a caller hands over, in undici's words; it exports none. An attempt has all callbacks, so
 * undici would take it for a caller who hears everything: a request would be sent, and its failure told to nobody.
 * @throws errors.InvalidArgumentError for a handler that lacks what this request needs
 */
export function checkHandler(handler: Dispatcher.DispatchHandler, options: Dispatcher.DispatchOptions): void {
  for (const name of ALWAYS) if (typeof handler[name] !== 'function') throw invalid(name)
  for (const name of OPTIONAL)
    if (handler[name] !== undefined && typeof handler[name] !== 'function') throw invalid(name)
  const { method, upgrade } = options
  const switches = method === 'CONNECT' || (upgrade !== undefined && upgrade !== null && upgrade !== false)
  const needed = switches ? FOR_UPGRADES : FOR_RESPONSES
  for (const name of needed) if (typeof handler[name] !== 'function') throw invalid(name)
}

function invalid(name: string): Error {
  return new errors.InvalidArgumentError(`invalid ${name} method`)
}

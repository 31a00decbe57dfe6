/**
 * `setGlobalDispatcher` of the application replaces the global dispatcher, and reports that nowhere: undici's property
 * of `globalThis` cannot be observed. But undici publishes each new connection. One to a discovered host that is not onehop's shows
 * that calls go past it. A mock that answers by itself connects to nothing. Calls do not pass here, and nothing is listened to
 * after the warning.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { isOwn } from '../core/own-connections.ts'
import type { DiscoveredHosts } from './discovered-hosts.ts'

/** Made, and failed. Of all copies of undici, Node's own included. */
const CHANNELS = ['undici:client:connected', 'undici:client:connectError']
const CODE = 'ONEHOP_DISPATCHER_REPLACED'

/** What undici publishes. */
interface Connection {
  readonly connectParams?: { readonly hostname?: string }
  readonly socket?: object
  readonly error?: object
}

/**
 * Warns once.
 * @param isReplaced whether calls without a dispatcher of their own go past onehop now
 */
export function warnOfReplacement(hosts: DiscoveredHosts, isReplaced: () => boolean): Disposable {
  const see = (message: unknown): void => {
    const { connectParams, socket, error } = message as Connection
    const result = socket ?? error
    const host = connectParams?.hostname
    if (result === undefined || host === undefined || !isReplaced() || !hosts.has(host) || isOwn(result))
      return
    end()
    warn(host)
  }
  const end = (): void => {
    for (const channel of CHANNELS) unsubscribe(channel, see)
  }
  for (const channel of CHANNELS) subscribe(channel, see)
  return { [Symbol.dispose]: end }
}

function warn(host: string): void {
  process.emitWarning(
    `fetch and undici connect to ${host} without onehop: setGlobalDispatcher() has replaced its dispatcher. ` +
      'Keep it below yours: setGlobalDispatcher(getGlobalDispatcher().compose(...)). ' +
      `If this is meant to be, start Node with --disable-warning=${CODE}`,
    { type: 'OnehopWarning', code: CODE },
  )
}

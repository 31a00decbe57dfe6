import type { Client } from 'onehop'
import { interceptors, type Dispatcher } from 'undici'

/** `request(url, { dispatcher })`. Leave out `retry` and `dns`: the client does both. */
export function composedOver(client: Client): Dispatcher {
  return client.dispatcher.compose(interceptors.redirect({ maxRedirections: 3 }), interceptors.decompress())
}

import type { Dispatcher } from 'undici'

/**
 * Key of an option of `createClient` that `onehop/testing` alone sets: what takes the requests to one origin in place of
 * connections. A symbol, so that no user sets it by accident. Without `namespaces` and `services`, every host is then
 * discovered.
 */
export const STAND_IN: unique symbol = Symbol('onehop.standIn')

/** Options with a stand-in for connections. */
export interface StandInOption {
  readonly [STAND_IN]?: (origin: URL) => Dispatcher
}

import { AsyncResource } from 'node:async_hooks'

const CALL: unique symbol = Symbol('onehop call')

/** What the attempts of one call have in common. grpc-js gives them all the same object. */
export class Call {
  /** Tasks that its attempts went to, as `address:port`: a retry or a hedge goes elsewhere if it can. */
  readonly tried: string[] = []
  /** The caller's: grpc-js starts a call that had to wait in the context of what it waited for. */
  readonly context: AsyncResource = new AsyncResource('ONEHOP_GRPC_CALL')

  /** @param key of the call, from its first pick on, which comes in the caller's context */
  static of(key: object): Call {
    const keyed = key as { [CALL]?: Call }
    return (keyed[CALL] ??= new Call())
  }
}

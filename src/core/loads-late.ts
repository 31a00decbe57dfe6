/**
 * Key of an option of `createClient` that `onehop/auto` alone sets: the AWS SDK is loaded with the first lookup, and not with the
 * client. A preload may come before the application's telemetry, which instruments only what is loaded after it. A symbol, so
 * that no user sets it by accident; of the registry, since the files of doors have a copy of this one.
 */
export const LOADS_LATE: unique symbol = Symbol.for('onehop.loadsLate')

/** Options of a client whose SDK is loaded late. */
export interface LoadsLateOption {
  readonly [LOADS_LATE]?: boolean
}

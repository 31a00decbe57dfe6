import type { Dispatcher } from 'undici'
import { checkBoolean, checkMs } from '../core/check.ts'
import { InvalidOptionsError } from '../core/errors.ts'

/** What a single call may say of itself, beside undici's own options. Calls to hosts that are not discovered ignore it. */
export interface CallOptions {
  /** Over all attempts and the response body, in ms, instead of `timeouts.deadlineMs`. 0: it is over already. */
  readonly deadlineMs?: number | undefined
  /** Whether it may be sent again [by its method, or an `Idempotency-Key` header]. */
  readonly idempotent?: boolean | undefined
  /** `false`: no second attempt beside a late one. */
  readonly hedge?: false | undefined
}

/** @throws InvalidOptionsError for the first that is not allowed */
export function checkCallOptions(options: Dispatcher.DispatchOptions): void {
  const { deadlineMs, idempotent, hedge }: Readonly<Record<keyof CallOptions, unknown>> = options as never
  if (deadlineMs !== undefined) checkMs('deadlineMs', deadlineMs)
  if (idempotent !== undefined) checkBoolean('idempotent', idempotent)
  if (hedge !== undefined && hedge !== false)
    throw new InvalidOptionsError('hedge', hedge, 'false, or nothing: hedging is an option of the service')
}

/** `fetch` hands on nothing but what it knows: the rest goes past it. */
export function withCallOptions(dispatcher: Dispatcher, given: CallOptions | undefined): Dispatcher {
  const { deadlineMs, idempotent, hedge } = given ?? {}
  if (deadlineMs === undefined && idempotent === undefined && hedge === undefined) return dispatcher
  const own = {
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(idempotent === undefined ? {} : { idempotent }),
    ...(hedge === undefined ? {} : { hedge }),
  }
  return dispatcher.compose((dispatch) => (options, handler) => dispatch({ ...options, ...own }, handler))
}

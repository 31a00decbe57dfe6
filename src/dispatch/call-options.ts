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

/**
 * A dispatcher for one `fetch`, which hands on nothing but what it knows: the rest goes past it.
 * @param source what its body is made from, where that can be read anew by each attempt: `fetch` hands over a generator
 */
export function withCallOptions(
  dispatcher: Dispatcher,
  given: CallOptions | undefined,
  source?: unknown,
): Pick<Dispatcher, 'dispatch'> {
  const { deadlineMs, idempotent, hedge } = given ?? {}
  const says = deadlineMs !== undefined || idempotent !== undefined || hedge !== undefined
  if (!says && source === undefined) return dispatcher
  return {
    dispatch(options, handler) {
      const own: Record<string, unknown> = { ...options }
      if (deadlineMs !== undefined) own['deadlineMs'] = deadlineMs
      if (idempotent !== undefined) own['idempotent'] = idempotent
      if (hedge !== undefined) own['hedge'] = hedge
      // After some redirects there is no body any more.
      if (source !== undefined && (options.body ?? null) !== null) own['body'] = source
      return dispatcher.dispatch(own as never, handler)
    },
  }
}

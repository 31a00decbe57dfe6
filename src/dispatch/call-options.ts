import type { Dispatcher } from 'undici'
import { checkBoolean, checkMs, closest, noSuchOption } from '../core/check.ts'
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

const OWN_KEYS: readonly (keyof CallOptions)[] = ['deadlineMs', 'idempotent', 'hedge']

/** What undici's `request` takes. The last two it refuses, with what to do instead. */
const REQUEST_KEYS = [
  ...['method', 'path', 'query', 'headers', 'body', 'signal', 'headersTimeout', 'bodyTimeout', 'reset'],
  ...['upgrade', 'expectContinue', 'blocking', 'typeOfService', 'servername', 'allowH2', 'highWaterMark'],
  ...['opaque', 'onInfo', 'responseHeaders', 'origin', ...OWN_KEYS],
]
const REQUEST_KEY_SET = new Set([...REQUEST_KEYS, 'throwOnError', 'maxRedirections'])

/** What is wrong with the first key that neither undici's `request` takes nor the library. */
export function wrongRequestKey(init: object | null | undefined): InvalidOptionsError | undefined {
  for (const key in init) {
    if (REQUEST_KEY_SET.has(key)) continue
    const value = (init as Record<string, unknown>)[key]
    if (value === undefined) continue
    if (key === 'dispatcher') return dispatcherGiven(value, "undici's request()")
    return noSuchOption('', key, REQUEST_KEYS)
  }
  return undefined
}

/** What the standard, Node and undici have `fetch` take. */
const FETCH_KEYS = new Set<string>([
  ...[
    'method',
    'headers',
    'body',
    'signal',
    'redirect',
    'duplex',
    'mode',
    'credentials',
    'cache',
    'referrer',
  ],
  ...['referrerPolicy', 'integrity', 'keepalive', 'priority', 'window', ...OWN_KEYS],
])
/** Keys of others that have been looked at. */
const foreign = new Set<string>()
const MOST_FOREIGN = 1_000

/**
 * Any key may be there, as any `fetch` lets it: libraries pass what is meant for others (`agent`, `next`, `cf`). Refused is
 * what was meant for this client and would do nothing: a slip of one of ours, and what fetch hands to nobody.
 */
export function wrongFetchKey(
  init: object | null | undefined,
  own: Dispatcher,
): InvalidOptionsError | undefined {
  for (const key in init) {
    if (FETCH_KEYS.has(key) || foreign.has(key)) continue
    const value = (init as Record<string, unknown>)[key]
    if (value === undefined) continue
    if (key === 'dispatcher') {
      if (value !== own) return dispatcherGiven(value, "undici's fetch()")
      continue
    }
    if (key === 'headersTimeout' || key === 'bodyTimeout')
      return new InvalidOptionsError(
        key,
        value,
        'nothing: fetch hands it to nobody; client.request() takes it',
      )
    if (closest(key, OWN_KEYS) !== undefined) return noSuchOption('', key, OWN_KEYS)
    if (foreign.size < MOST_FOREIGN) foreign.add(key)
  }
  return undefined
}

function dispatcherGiven(value: unknown, instead: string): InvalidOptionsError {
  const allowed = `nothing: calls go through this client; for another dispatcher there is ${instead}`
  return new InvalidOptionsError('dispatcher', value, allowed)
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

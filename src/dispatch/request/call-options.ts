import type { Dispatcher } from 'undici'
import { checkBoolean, checkMs, noSuchOption } from '../../core/check/check.ts'
import { closest } from '../../core/check/closest.ts'
import { InvalidOptionsError } from '../../core/errors.ts'

/** Options of a single call, beside undici's own. Calls to hosts that are not discovered ignore them. */
export interface CallOptions {
  /** Limit to all attempts and the response body, in ms, instead of `timeouts.deadlineMs`. 0: the call fails at once. */
  readonly deadlineMs?: number | undefined
  /** Whether it may be sent again [by its method, or an `Idempotency-Key` header]. */
  readonly idempotent?: boolean | undefined
  /** `false`: no second attempt beside a slow one. */
  readonly hedge?: false | undefined
}

/** @throws InvalidOptionsError for the first option that is not allowed */
export function checkCallOptions(options: Dispatcher.DispatchOptions): void {
  const { deadlineMs, idempotent, hedge }: Readonly<Record<keyof CallOptions, unknown>> = options as never
  if (deadlineMs !== undefined) checkMs('deadlineMs', deadlineMs)
  if (idempotent !== undefined) checkBoolean('idempotent', idempotent)
  if (hedge !== undefined && hedge !== false)
    throw new InvalidOptionsError('hedge', hedge, 'false, or nothing: hedging is an option of the service')
}

const OWN_KEYS: readonly (keyof CallOptions)[] = ['deadlineMs', 'idempotent', 'hedge']

/** Options of undici's `request`. */
const REQUEST_KEYS = [
  ...['method', 'path', 'query', 'headers', 'body', 'signal', 'headersTimeout', 'bodyTimeout', 'reset'],
  ...['upgrade', 'expectContinue', 'blocking', 'typeOfService', 'servername', 'allowH2', 'highWaterMark'],
  ...['opaque', 'onInfo', 'responseHeaders', 'origin', ...OWN_KEYS],
]
/** undici refuses the last two itself, and names the alternative. */
const REQUEST_KEY_SET = new Set([...REQUEST_KEYS, 'throwOnError', 'maxRedirections'])

/** The error for the first key that neither undici's `request` nor onehop knows, and that not every object has. */
export function wrongRequestKey(init: object | null | undefined): InvalidOptionsError | undefined {
  for (const key in init) {
    if (REQUEST_KEY_SET.has(key) || key in Object.prototype) continue
    const value = (init as Record<string, unknown>)[key]
    if (value === undefined) continue
    if (key === 'dispatcher') return dispatcherGiven(value, "undici's request()")
    return noSuchOption('', key, REQUEST_KEYS)
  }
  return undefined
}

/** Options of `fetch` by the standard, Node and undici. */
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
/** Unknown keys that resemble no option: each is compared only once. */
const foreign = new Set<string>()
const MAX_FOREIGN = 1_000

/**
 * The error for the first key of `fetch` options that was meant for this client and would have no effect: a misspelt call
 * option, undici's timeouts, another dispatcher. Other unknown keys pass, as in every `fetch`: libraries add keys for other
 * implementations (`agent`, `next`, `cf`).
 */
export function wrongFetchKey(
  init: object | null | undefined,
  own: Dispatcher,
): InvalidOptionsError | undefined {
  for (const key in init) {
    if (FETCH_KEYS.has(key) || foreign.has(key) || key in Object.prototype) continue
    const value = (init as Record<string, unknown>)[key]
    if (value === undefined) continue
    if (key === 'dispatcher') {
      if (value !== own) return dispatcherGiven(value, "undici's fetch()")
      continue
    }
    if (key === 'headersTimeout' || key === 'bodyTimeout')
      return new InvalidOptionsError(key, value, 'nothing: fetch ignores it; client.request() takes it')
    if (closest(key, OWN_KEYS) !== undefined) return noSuchOption('', key, OWN_KEYS)
    if (foreign.size < MAX_FOREIGN) foreign.add(key)
  }
  return undefined
}

function dispatcherGiven(value: unknown, instead: string): InvalidOptionsError {
  const allowed = `nothing: calls go through this client; for another dispatcher there is ${instead}`
  return new InvalidOptionsError('dispatcher', value, allowed)
}

/**
 * A dispatcher for one `fetch` call that adds its call options, which `fetch` does not pass on.
 * @param source the body, if each attempt can read it anew: `fetch` would pass a generator
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
      // Some redirects drop the body.
      if (source !== undefined && (options.body ?? null) !== null) own['body'] = source
      return dispatcher.dispatch(own as never, handler)
    },
  }
}

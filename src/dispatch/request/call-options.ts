import type { Dispatcher } from 'undici'
import { checkBoolean, checkMs, closest, noSuchOption } from '../../core/check/check.ts'
import { InvalidOptionsError } from '../../core/errors.ts'

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

/** Options of undici's `request`. */
const REQUEST_KEYS = [
  ...['method', 'path', 'query', 'headers', 'body', 'signal', 'headersTimeout', 'bodyTimeout', 'reset'],
  ...['upgrade', 'expectContinue', 'blocking', 'typeOfService', 'servername', 'allowH2', 'highWaterMark'],
  ...['opaque', 'onInfo', 'responseHeaders', 'origin', ...OWN_KEYS],
]
/** undici refuses the last two itself, with the alternative. */
const REQUEST_KEY_SET = new Set([...REQUEST_KEYS, 'throwOnError', 'maxRedirections'])

/** The error for the first key that neither undici's `request` nor the library knows. */
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
/** Keys of other implementations that were compared with ours once. */
const foreign = new Set<string>()
const MOST_FOREIGN = 1_000

/**
 * Unknown keys pass, as with every `fetch`: libraries add keys for other implementations (`agent`, `next`, `cf`). Refused are
 * keys that were meant for this client and have no effect: a misspelt call option, undici's timeouts, another dispatcher.
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
      return new InvalidOptionsError(key, value, 'nothing: fetch ignores it; client.request() takes it')
    if (closest(key, OWN_KEYS) !== undefined) return noSuchOption('', key, OWN_KEYS)
    if (foreign.size < MOST_FOREIGN) foreign.add(key)
  }
  return undefined
}

function dispatcherGiven(value: unknown, instead: string): InvalidOptionsError {
  const allowed = `nothing: calls go through this client; for another dispatcher there is ${instead}`
  return new InvalidOptionsError('dispatcher', value, allowed)
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

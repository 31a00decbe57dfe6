import type { Dispatcher } from 'undici'
import { withoutSecrets } from '../../core/check/given.ts'
import type { AttemptTrace, CallTrace } from '../../core/tracing.ts'
import type { Attempt } from './attempt.ts'

/** What listeners to `onehop:call` get. */
export function callTrace(host: string, { method, path, origin }: Dispatcher.DispatchOptions): CallTrace {
  return {
    host,
    origin: shownOrigin(String(origin)),
    method,
    path,
    attempts: 0,
    statusCode: undefined,
    durationMs: undefined,
    error: undefined,
  }
}

/** What listeners to `onehop:attempt` get. Sets the number of attempts of the call's trace, too. */
export function attemptTrace(
  call: CallTrace | undefined,
  host: string,
  { upstream, number }: Attempt,
  hedged: boolean,
  waitMs: number,
): AttemptTrace {
  if (call !== undefined) call.attempts = number
  const { address, tier, zone } = upstream.endpoint
  return {
    call,
    host,
    attempt: number,
    hedged,
    upstream: upstream.label,
    address,
    port: upstream.port,
    tier,
    zone,
    waitMs,
    outcome: undefined,
    durationMs: undefined,
    error: undefined,
  }
}

const MAY_HAVE_SECRETS = /[@?#]/

function shownOrigin(origin: string): string {
  return MAY_HAVE_SECRETS.test(origin) ? withoutSecrets(origin) : origin
}

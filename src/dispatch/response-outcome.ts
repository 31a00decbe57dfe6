/** From a response to an `Outcome`, beside `classify-outcome.ts`, which does it for errors. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Upstream } from '../cluster/upstream.ts'
import type { Outcome } from '../core/outcome.ts'
import { retryAfterMs } from './retry/policy.ts'
import type { Route } from './route.ts'

/** A task that shuts down sends this header with its responses. The value does not matter. */
const DRAINING_HEADER = 'x-onehop-draining'

export type ResponseOutcome = Outcome & { kind: 'response' }

/**
 * The outcome of a response, for `Lease.report`: reads `Retry-After`, and whether the task announces that it shuts down.
 * @param latencyMs from the request to the response headers, e.g. `lease.elapsedMs()`
 * @param isHttp2 whether the connection speaks HTTP/2, where a task that shuts down does not close it [false]
 */
export function responseOutcomeOf(
  status: number,
  headers: IncomingHttpHeaders,
  latencyMs: number,
  isHttp2 = false,
): Outcome & { kind: 'response' } {
  const retryAfter = status < 300 ? undefined : retryAfterMs(headers['retry-after'])
  const outcome = { kind: 'response' as const, status, latencyMs, retryAfterMs: retryAfter }
  // Over HTTP/1.1 a task that shuts down also closes its connections. HTTP/2 has no such header.
  if (headers[DRAINING_HEADER] !== undefined && (isHttp2 || isClosing(headers)))
    return { ...outcome, draining: true }
  return outcome
}

interface RespondedAttempt {
  readonly call: { readonly route: Route }
  readonly upstream: Upstream
  /** When it began, on the clock. */
  readonly startedAt: number
}

/** The same, for an attempt of a call. */
export function responseOutcome(
  { call, upstream, startedAt }: RespondedAttempt,
  status: number,
  headers: IncomingHttpHeaders,
  latencyMs: number,
): ResponseOutcome {
  const { pools } = call.route
  const isHttp2 = headers[DRAINING_HEADER] !== undefined && pools.speaksHttp2(upstream)
  const outcome = responseOutcomeOf(status, headers, latencyMs, isHttp2)
  // The server was closing the connection when the request came, and the connection is older than the attempt.
  if (status === 408 && isClosing(headers) && !pools.hasConnectedSince(upstream, startedAt))
    return { ...outcome, connectionExpired: true }
  return outcome
}

function isClosing({ connection }: IncomingHttpHeaders): boolean {
  return String(connection).toLowerCase() === 'close'
}

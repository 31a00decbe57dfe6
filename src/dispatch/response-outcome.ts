/** From a response to an `Outcome`, beside `classify-outcome.ts`, which does it for errors. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Upstream } from '../cluster/upstream.ts'
import type { Outcome } from '../core/outcome.ts'
import { retryAfterMs } from './retry/policy.ts'
import type { UpstreamDispatchers } from './route.ts'

/** A task that shuts down sends this header with its responses. The value does not matter. */
const DRAINING_HEADER = 'x-onehop-draining'

/**
 * The outcome of an attempt that got response headers.
 * @param startedAt when the attempt began, on the clock
 */
export function responseOutcome(
  status: number,
  headers: IncomingHttpHeaders,
  latencyMs: number,
  startedAt: number,
  upstream: Upstream,
  pools: UpstreamDispatchers,
): Outcome {
  const retryAfter = status < 300 ? undefined : retryAfterMs(headers['retry-after'])
  let outcome: Outcome = { kind: 'response', status, latencyMs, retryAfterMs: retryAfter }
  // The server was closing the connection when the request came, and the connection is older than the attempt.
  if (status === 408 && isClosing(headers) && !pools.hasConnectedSince(upstream, startedAt))
    outcome = { ...outcome, connectionExpired: true }
  // Over HTTP/1.1 a task that shuts down also closes its connections. HTTP/2 has no such header.
  if (headers[DRAINING_HEADER] !== undefined && (isClosing(headers) || pools.speaksHttp2(upstream)))
    outcome = { ...outcome, draining: true }
  return outcome
}

function isClosing({ connection }: IncomingHttpHeaders): boolean {
  return String(connection).toLowerCase() === 'close'
}

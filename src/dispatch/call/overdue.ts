import { errors } from 'undici'
import type { Upstream } from '../../cluster/upstream.ts'
import { QueueTimeoutError } from '../../core/errors.ts'
import type { Outcome } from '../../core/outcome.ts'
import { classifyLateness } from '../classify-outcome.ts'
import type { Slots, Waiter } from '../connections/slots.ts'
import type { Route } from '../route.ts'

/** An attempt that ran out of time: the caller's error, and what it means for the upstream. */
export interface Overdue {
  readonly error: Error
  readonly outcome: Outcome
}

/**
 * No response headers in time.
 * @param isBehind another response comes first on its connection (HTTP/1.1 pipelining)
 */
export function headersOverdue(limitMs: number, elapsedMs: number, isBehind: boolean): Overdue {
  const why = isBehind ? ': another response was to come first on its connection (pool.pipelining)' : ''
  const error = new errors.HeadersTimeoutError(`no response headers in ${limitMs} ms${why}`)
  const outcome: Outcome = isBehind
    ? { kind: 'queue-timeout', waitedMs: limitMs, sent: true, error }
    : classifyLateness(error, elapsedMs, true)
  return { error, outcome }
}

/** No connection in time, or, over HTTP/2, no stream. */
export function connectionOverdue(
  { host, limits, pools }: Route,
  { label }: Upstream,
  slots: Slots | undefined,
  waiter: Waiter,
): Overdue {
  const { limitMs } = limits.queue
  if (slots?.isConnecting(waiter) === true) {
    const error = new errors.ConnectTimeoutError(`no connection to ${label} in ${limitMs} ms`)
    return { error, outcome: { kind: 'timeout', phase: 'connect', latencyMs: limitMs, error } }
  }
  if (slots?.hasOthers(waiter) === true) {
    const error = new QueueTimeoutError(host, label, limitMs, pools.shortage)
    return { error, outcome: { kind: 'queue-timeout', waitedMs: limitMs, sent: false, error } }
  }
  // A connection is open and carries no other request: the task accepts no requests.
  const error = new errors.HeadersTimeoutError(`${label} took no request in ${limitMs} ms`)
  return { error, outcome: classifyLateness(error, limitMs, false) }
}

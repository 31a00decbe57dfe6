import { errors } from 'undici'
import type { Outcome } from '../core/outcome.ts'

/** Of `connectMs`: an aborted attempt that had no connection by then would not have got one. */
const LONG_CONNECT = 0.5

/**
 * What an error of undici's says of the upstream.
 * @param isConnected whether there was a connection for the request
 * @param sent whether any of the request may have been written
 */
export function verdictOn(error: Error, latencyMs: number, isConnected: boolean, sent: boolean): Outcome {
  switch ((error as NodeJS.ErrnoException).code ?? '') {
    case 'UND_ERR_CONNECT_TIMEOUT':
      return { kind: 'timeout', phase: 'connect', latencyMs, error }
    case 'UND_ERR_HEADERS_TIMEOUT':
      return { kind: 'timeout', phase: 'headers', latencyMs, error }
    case 'UND_ERR_BODY_TIMEOUT':
      return { kind: 'timeout', phase: 'body', latencyMs, error }
    default:
      return isConnected ? { kind: 'transport-error', error, sent } : { kind: 'connect-error', error }
  }
}

/**
 * What an abort by the caller says of the upstream: as a rule nothing.
 *
 * Whose patience ends before a connection is made tells as much as a connect timeout: within a network of one's own it
 * takes a millisecond or two. Without this, a task that is gone without a word is never put out by callers who wait no
 * longer than `connectMs`.
 * @param connectMs how long the connection that it waits for may take; Infinity: it does not wait for one
 */
export function verdictOnAbort(reason: Error, latencyMs: number, connectMs: number): Outcome {
  if (latencyMs < LONG_CONNECT * connectMs) return { kind: 'cancelled', latencyMs }
  const told = `no connection in ${Math.round(latencyMs)} ms, when the caller left`
  const error = Object.assign(new errors.ConnectTimeoutError(told), { cause: reason })
  return { kind: 'timeout', phase: 'connect', latencyMs, error }
}

/**
 * What it says of the upstream that there were no response headers in time.
 * @param isConnected without a connection it may as well have waited for one of a full pool: no reason to eject anybody
 */
export function verdictOnLateness(error: Error, latencyMs: number, isConnected: boolean): Outcome {
  if (!isConnected) return { kind: 'transport-error', error, sent: false }
  return { kind: 'timeout', phase: 'headers', latencyMs, error }
}

/** Whether the task said something, were it that it takes no connections. */
export function isAnswer({ kind }: Outcome): boolean {
  return kind !== 'timeout' && kind !== 'cancelled' && kind !== 'queue-timeout'
}

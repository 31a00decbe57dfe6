/**
 * From an error to an `Outcome`: the one place that decides who is at fault.
 *
 * - The **request** or a **limit of this process**: every upstream would fail alike. `cancelled`, with the error: no other
 *   attempt, and no upstream is blamed.
 * - **This process** closed the connection: another attempt may follow where that is safe. `transport-error` with
 *   `ownFault`, which does not count against the upstream.
 * - The **upstream**: everything else. A request that it has not processed counts as not sent.
 */
import { errors } from 'undici'
import { isLongConnect } from '../core/async/connect-limit.ts'
import type { Outcome } from '../core/outcome.ts'
import {
  codeOf,
  isHeadersTimeout,
  isOwnFault,
  isRefusedByHttp2,
  isSameEverywhere,
  isUnprocessed,
} from './error-kinds.ts'

/** An attempt that an error ended. */
export interface AttemptFacts {
  readonly latencyMs: number
  /** Whether it ever had a connection. */
  readonly isConnected: boolean
  /** Whether a part of the request may have been written. */
  readonly isSent: boolean
  /** Whether its body, its options or its TLS name is at fault. */
  readonly isRequestsFault: boolean
}

/** The outcome of an attempt that had no response headers in time. */
export type Lateness = Extract<Outcome, { kind: 'timeout' | 'queue-timeout' | 'transport-error' }>

/** The outcome of an attempt that undici ended with an error. */
export function classifyError(error: Error, facts: AttemptFacts): Outcome {
  const { latencyMs, isConnected, isSent } = facts
  const code = codeOf(error)
  const isOfAnother = isRefusedByHttp2(error) && markSeen(error)
  if (facts.isRequestsFault) return ownCancel(error)
  if (isOfAnother || isOwnFault(error))
    return { kind: 'transport-error', error, sent: isConnected && isSent, ownFault: true }
  if (isSameEverywhere(error, isConnected)) return ownCancel(error)
  if (isUnprocessed(error)) return { kind: 'transport-error', error, sent: false }
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return { kind: 'timeout', phase: 'connect', latencyMs, error }
  if (code === 'UND_ERR_BODY_TIMEOUT') return { kind: 'timeout', phase: 'body', latencyMs, error }
  if (isHeadersTimeout(error)) return classifyLateness(error, latencyMs, isConnected)
  // undici sends an unprocessed request again over another connection, which may fail, too.
  const isConnecting = !isConnected || (error as NodeJS.ErrnoException).syscall === 'connect'
  return isConnecting ? { kind: 'connect-error', error } : { kind: 'transport-error', error, sent: isSent }
}

/**
 * The outcome of an attempt that the caller aborted while it was connecting: `cancelled`, unless that took long.
 * @param limitMs how long its connection may take
 */
export function classifyAbort(reason: Error, connectingMs: number, limitMs: number): Outcome {
  if (!isLongConnect(connectingMs, limitMs)) return { kind: 'cancelled', latencyMs: connectingMs }
  const message = `no connection in ${Math.round(connectingMs)} ms, then the caller aborted`
  const error = Object.assign(new errors.ConnectTimeoutError(message), { cause: reason })
  return { kind: 'timeout', phase: 'connect', latencyMs: connectingMs, error }
}

/**
 * The outcome of an attempt without response headers in time.
 * @param isConnected without a connection, a full pool may be the reason, which does not eject the task
 */
export function classifyLateness(error: Error, latencyMs: number, isConnected: boolean): Lateness {
  if (!isConnected) return { kind: 'transport-error', error, sent: false }
  return { kind: 'timeout', phase: 'headers', latencyMs, error }
}

/** The same error; for two limits, one of the same class and code whose message names the option. */
export function explained(error: Error): Error {
  switch (codeOf(error)) {
    case 'UND_ERR_HEADERS_OVERFLOW':
      return Object.assign(
        new errors.HeadersOverflowError(
          'the response headers exceed the limit; pool.maxHeaderSize sets it, in bytes',
        ),
        { cause: error },
      )
    case 'UND_ERR_RES_EXCEEDED_MAX_SIZE':
      return Object.assign(
        new errors.ResponseExceededMaxSizeError(
          'the response body exceeds the limit; pool.maxResponseSize sets it, in bytes',
        ),
        { cause: error },
      )
    default:
      return error
  }
}

const seenErrors = new WeakSet<Error>()

/**
 * Marks an error as seen. If Node's HTTP/2 refuses a request (a forbidden header), undici destroys
 * the session with that error: the request at fault gets it first, in the same turn, then the others of the session.
 * @returns whether an earlier attempt had the same error
 */
function markSeen(error: Error): boolean {
  if (seenErrors.has(error)) return true
  seenErrors.add(error)
  return false
}

/** Without a latency, which says nothing about the upstream either. */
function ownCancel(error: Error): Outcome {
  return { kind: 'cancelled', latencyMs: 0, error }
}

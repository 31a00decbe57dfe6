/**
 * From the status of a call to an `Outcome`: what counts against the task.
 *
 * A status from the task becomes the HTTP status that Envoy's outlier detection takes it for. From 500 on it is a failure;
 * UNAVAILABLE and RESOURCE_EXHAUSTED also make the task slow for the balancer. gRPC's own outlier detection (A50) counts every
 * status but OK, so that a search that finds nothing (NOT_FOUND) would eject a task.
 * @see https://github.com/envoyproxy/envoy/blob/main/source/common/grpc/status.cc
 */
import { responseOutcomeOf, type Outcome } from '../index.ts'
import { STATUS, type Metadata } from './grpc-js.ts'

/** By the number of the gRPC status. */
const HTTP_STATUS: readonly number[] = [
  ...[200, 499, 500, 400, 504, 404, 409, 403, 429], // OK to RESOURCE_EXHAUSTED
  ...[400, 409, 400, 501, 500, 503, 500, 401], // FAILED_PRECONDITION to UNAUTHENTICATED
]

/** A task that shuts down (`onehop/ecs`) sends it with its responses. */
const DRAINING = 'x-onehop-draining'
const PUSHBACK = 'grpc-retry-pushback-ms'

/** How a call ended. */
export interface Ended {
  readonly code: number
  readonly details: string
  readonly metadata: Metadata
  /** - `task`: with a status of the task, as far as one knows. - `stream`: its stream or connection broke. - `caller`: here. */
  readonly by: 'task' | 'stream' | 'caller'
  /** Of its stream, if that was reset. */
  readonly rstCode: number | undefined
  /** Whether its deadline had passed when it was sent. */
  readonly isLate: boolean
  /** Whether response headers had come. */
  readonly isAnswered: boolean
  /** From the request to its end, or to response headers. */
  readonly latencyMs: number
}

/** `REFUSED_STREAM` of RFC 9113: the task has not processed the request. */
const REFUSED_STREAM = 7

/** The outcome of an attempt that has begun. */
export function outcomeOf(ended: Ended): Outcome {
  const { code, details, by, latencyMs } = ended
  if (by === 'task') return ofStatus(code, ended.metadata, latencyMs)
  const error = new Error(details)
  if (by === 'stream') return ofStream(ended, error)
  // A caller that had set a deadline waited in vain. Other ends are the caller's wish or fault.
  if (code === STATUS.DEADLINE_EXCEEDED && !ended.isLate)
    return { kind: 'timeout', phase: ended.isAnswered ? 'body' : 'headers', latencyMs, error }
  return code === STATUS.CANCELLED
    ? { kind: 'cancelled', latencyMs }
    : { kind: 'cancelled', latencyMs: 0, error }
}

/** The outcome of response headers: the call goes on. */
export function outcomeOfHeaders(metadata: Metadata, latencyMs: number): Outcome {
  return responseOutcomeOf(200, headersOf(metadata), latencyMs, true)
}

function ofStatus(code: number, metadata: Metadata, latencyMs: number): Outcome {
  const outcome = responseOutcomeOf(HTTP_STATUS[code] ?? 500, headersOf(metadata), latencyMs, true)
  const pushbackMs = Number(metadata.get(PUSHBACK)[0])
  return pushbackMs >= 0 && outcome.status >= 429 ? { ...outcome, retryAfterMs: pushbackMs } : outcome
}

function ofStream({ code, metadata, rstCode, latencyMs }: Ended, error: Error): Outcome {
  if (code === STATUS.UNAVAILABLE || code === STATUS.INTERNAL)
    return { kind: 'transport-error', error, sent: rstCode !== REFUSED_STREAM }
  return ofStatus(code, metadata, latencyMs)
}

function headersOf(metadata: Metadata): Record<string, string> {
  const [draining] = metadata.get(DRAINING)
  return draining === undefined ? {} : { [DRAINING]: String(draining) }
}

/** How answers of gRPC count, by their status. */
import type { IncomingHttpHeaders } from 'node:http'
import type { Classification } from '../index.ts'

/**
 * The statuses that say something about the task. The kinds are those of Envoy's outlier detection, which takes a status for
 * the HTTP status it stands for (`grpcToHttpStatus`): 2, 13, 15 for 500; 4 for 504; 8 for 429; 12 for 501; 14 for 503. The
 * others are answers like any: 1 is the caller's, 3, 5, 6, 7, 9, 10, 11 and 16 are the application's (gRFC A50 would count them).
 *
 * 8 and 14 are sent again where the call may be (gRFC A6 lets a service choose, and names 14).
 */
const STATUSES: ReadonlyMap<string, Classification> = new Map([
  entry(1, 'CANCELLED', 'ignored'),
  entry(2, 'UNKNOWN', 'failure'),
  entry(4, 'DEADLINE_EXCEEDED', 'failure'),
  entry(8, 'RESOURCE_EXHAUSTED', 'overloaded', 'idempotent'),
  entry(12, 'UNIMPLEMENTED', 'failure'),
  entry(13, 'INTERNAL', 'failure'),
  entry(14, 'UNAVAILABLE', 'unavailable', 'idempotent'),
  entry(15, 'DATA_LOSS', 'failure'),
])

function entry(
  code: number,
  name: string,
  kind: Classification['kind'],
  retry: Classification['retry'] = 'never',
): readonly [string, Classification] {
  return [String(code), { kind, retry, reason: `grpc-status ${code} (${name})` }]
}

const SUCCESS: Classification = { kind: 'success' }
const NO_STATUS: Classification = { kind: 'failure', reason: 'no grpc-status' }

/**
 * For the option `classify` of `createClient`: answers of gRPC count by `grpc-status`, in the headers of an answer without a
 * message or in the trailers. All other responses count by their HTTP status, also those of the Connect protocol.
 * `grpc-retry-pushback-ms` is respected (gRFC A6): how long to wait before the same task is called again, or not to retry.
 */
export function grpcClassify(
  status: number,
  headers: IncomingHttpHeaders,
  trailers: IncomingHttpHeaders | undefined,
): Classification | 'trailers' | undefined {
  const type = headers['content-type']
  if (status !== 200 || type?.startsWith('application/grpc') !== true) return undefined
  const inHeaders = headers['grpc-status']
  if (inHeaders !== undefined) return classificationOf(String(inHeaders), headers)
  // gRPC-web has its trailers in the body.
  if (type.startsWith('application/grpc-web')) return undefined
  if (trailers === undefined) return 'trailers'
  const inTrailers = trailers['grpc-status']
  return inTrailers === undefined ? NO_STATUS : classificationOf(String(inTrailers), trailers)
}

function classificationOf(code: string, metadata: IncomingHttpHeaders): Classification {
  const classification = STATUSES.get(code) ?? SUCCESS
  const pushback = metadata['grpc-retry-pushback-ms']
  if (pushback === undefined) return classification
  // A negative or unreadable value asks for no retry.
  const isTime = typeof pushback === 'string' && /^\d{1,9}$/.test(pushback)
  return isTime
    ? { ...classification, retryAfterMs: Number(pushback) }
    : { ...classification, retry: 'never' }
}

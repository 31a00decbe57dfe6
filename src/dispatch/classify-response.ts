/** The user's function that says how a response counts. */
import type { IncomingHttpHeaders } from 'node:http'
import { types } from 'node:util'
import { checkNumber, checkOneOf, checkRecord, checkString } from '../core/check/check.ts'
import type { Classification } from '../core/classification.ts'
import { asError, InvalidOptionsError } from '../core/errors.ts'
import { emit } from '../core/events.ts'

/**
 * Says how a response counts for the health of its task and for retries. Called with the headers of each response, before the
 * caller gets it. A response below 400 may count by its trailers: `'trailers'` has it called once more at the end, when no
 * retry is possible. Names of headers and trailers are in lower case; trailers are undefined while only the headers are there.
 * Where it returns undefined, the response counts by its status.
 */
export type Classify = (
  status: number,
  headers: IncomingHttpHeaders,
  trailers: IncomingHttpHeaders | undefined,
) => Classification | 'trailers' | undefined

const KINDS: readonly Classification['kind'][] = [
  'success',
  'failure',
  'unavailable',
  'overloaded',
  'ignored',
]
const RETRIES = ['never', 'idempotent', 'any'] as const

/**
 * Asks the user's function. What it throws must not end a call that has its response: that is an event, and the response
 * counts by its status.
 */
export function classifyResponse(
  classify: Classify,
  host: string,
  status: number,
  headers: IncomingHttpHeaders,
  trailers: IncomingHttpHeaders | undefined,
): Classification | 'trailers' | undefined {
  try {
    const answer: unknown = classify(status, headers, trailers)
    if (answer === undefined || answer === 'trailers') return answer
    return checkClassification('classify', answer)
  } catch (thrown) {
    const error = asError(thrown)
    emit('onehop:classify.failed', () => ({ host, status, error }))
    return undefined
  }
}

const ALLOWED =
  'a classification, e.g. { kind: "failure", retry: "idempotent" }, "trailers" or undefined, at once'

/** @throws InvalidOptionsError */
export function checkClassification(path: string, value: unknown): Classification {
  // Also of another realm, or where the application has replaced the global `Promise`.
  if (types.isPromise(value)) {
    // An unhandled rejection would end the process.
    value.catch(() => undefined)
    throw new InvalidOptionsError(path, value, ALLOWED)
  }
  const { kind, retry, retryAfterMs, reason } = checkRecord(path, value, ALLOWED)
  checkOneOf(`${path}.kind`, kind, KINDS)
  if (retry !== undefined) checkOneOf(`${path}.retry`, retry, RETRIES)
  if (retryAfterMs !== undefined) checkNumber(`${path}.retryAfterMs`, retryAfterMs, { min: 0, unit: 'ms' })
  if (reason !== undefined) checkString(`${path}.reason`, reason)
  return value as Classification
}

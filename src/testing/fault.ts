import { checkKeys, checkMs, checkNumber, checkOneOf, checkString } from '../core/check/check.ts'
import { InvalidOptionsError } from '../core/errors.ts'

/** What a task does instead of answering at once. */
export type Fault =
  | { readonly kind: 'none' }
  /** Answers after `delayMs`. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Takes requests, and never answers. */
  | { readonly kind: 'hang' }
  /** Answers with this status, at once; `retryAfter` as the header has it. */
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string | undefined }
  /** Resets the connection instead of answering. */
  | { readonly kind: 'reset' }
  /** Resets connections as they come in; those that are open, at once. */
  | { readonly kind: 'reset-on-accept' }
  /** Sends the status line and the beginning of a header, then resets the connection. */
  | { readonly kind: 'reset-mid-headers' }
  /** Sends headers and a part of the body, then resets the connection. */
  | { readonly kind: 'reset-mid-body' }

/** The options of each kind, beside `kind`. */
const OPTIONS: Readonly<Record<Fault['kind'], readonly string[]>> = {
  none: [],
  slow: ['delayMs'],
  hang: [],
  status: ['status', 'retryAfter'],
  reset: [],
  'reset-on-accept': [],
  'reset-mid-headers': [],
  'reset-mid-body': [],
}
const KINDS = Object.keys(OPTIONS) as Fault['kind'][]

/** @throws InvalidOptionsError for an unknown fault: ignored, it would let a test pass for the wrong reason */
export function checkFault(value: unknown): Fault {
  if (typeof value === 'string')
    throw new InvalidOptionsError('fault', value, `{ kind } with one of ${KINDS.join(', ')}`)
  const { kind } = checkKeys('fault', value, ['kind', 'delayMs', 'status', 'retryAfter'])
  const options = OPTIONS[checkOneOf('fault.kind', kind, KINDS)]
  const { delayMs, status, retryAfter } = checkKeys('fault', value, ['kind', ...options])
  if (kind === 'slow') checkMs('fault.delayMs', delayMs)
  // 1xx ends no request.
  if (kind === 'status') checkNumber('fault.status', status, { min: 200, max: 599, integer: true })
  if (retryAfter !== undefined) checkString('fault.retryAfter', retryAfter)
  return value as Fault
}

import type { Dispatcher } from 'undici'
import { headerValue } from './headers.ts'

// RFC 9110 section 9.2.2, and QUERY (draft-ietf-httpbis-safe-method-w-body).
const IDEMPOTENT_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY'])

/** What `Headers` makes of a value that is missing: no server can tell two requests apart by such a key. */
const MISSING = new Set(['undefined', 'null'])

/**
 * Whether a request may be sent again: as its caller says, else by its method or the value of an `Idempotency-Key` header.
 * @param options with headers as a list
 */
export function isRepeatable({ idempotent, method, headers }: Dispatcher.DispatchOptions): boolean {
  return idempotent ?? (isIdempotent(method) || hasIdempotencyKey(headers))
}

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method)
}

function hasIdempotencyKey(headers: unknown): boolean {
  const key = headerValue(headers, 'idempotency-key')
  return key !== undefined && !MISSING.has(key)
}

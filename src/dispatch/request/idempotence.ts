import type { Dispatcher } from 'undici'
import { headerValue } from './headers.ts'

// RFC 9110 section 9.2.2, and QUERY (draft-ietf-httpbis-safe-method-w-body).
const IDEMPOTENT_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY'])

/** `Headers` turns a missing value into these. Such a key does not identify a request. */
const MISSING = new Set(['undefined', 'null'])

/**
 * Whether a request may be sent again: by its `idempotent` option, else its method or its `Idempotency-Key` header.
 * @param options with headers as a flat list
 */
export function isRepeatable({ idempotent, method, headers }: Dispatcher.DispatchOptions): boolean {
  return idempotent ?? (isIdempotent(method) || hasIdempotencyKey(headers))
}

/** Whether a method is idempotent by its definition. */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method)
}

function hasIdempotencyKey(headers: unknown): boolean {
  const key = headerValue(headers, 'idempotency-key')
  return key !== undefined && !MISSING.has(key)
}

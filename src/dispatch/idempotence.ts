import type { Dispatcher } from 'undici'

// RFC 9110 section 9.2.2, and QUERY (draft-ietf-httpbis-safe-method-w-body).
const IDEMPOTENT_METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY'])

/** Whether a request may be sent again: as its caller says, else by its method or an `Idempotency-Key` header. */
export function isRepeatable({ idempotent, method, headers }: Dispatcher.DispatchOptions): boolean {
  return idempotent ?? (isIdempotent(method) || hasIdempotencyKey(headers))
}

export function isIdempotent(method: string): boolean {
  return IDEMPOTENT_METHODS.has(method)
}

function hasIdempotencyKey(headers: Dispatcher.DispatchOptions['headers']): boolean {
  if (headers === undefined || headers === null) return false
  if (Array.isArray(headers)) return headers.some((name, index) => index % 2 === 0 && isIdempotencyKey(name))
  const names =
    Symbol.iterator in headers
      ? Array.from(headers as Iterable<[string, unknown]>, ([name]) => name)
      : Object.keys(headers)
  return names.some(isIdempotencyKey)
}

/** A proxy may hand names on as the buffers that they came in. */
function isIdempotencyKey(name: unknown): boolean {
  return String(name).toLowerCase() === 'idempotency-key'
}

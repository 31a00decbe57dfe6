import { isConnectTimeout } from '../core/async/connect-limit.ts'
import type { Lease, Outcome } from '../index.ts'

/** Connections made within this count as equally fast: what they cost later does not depend on it. */
const MIN_LATENCY_MS = 25

/** The connection of a lease is there now. It counts as an answer. */
export function connectedOutcome(lease: Lease): Outcome {
  const elapsedMs = lease.elapsedMs()
  const latencyMs = elapsedMs < MIN_LATENCY_MS ? 0 : elapsedMs
  return { kind: 'response', status: 200, latencyMs, retryAfterMs: undefined }
}

/**
 * Whether Node destroys a socket because it could not connect there. A caller may pass the error of another connection, as
 * `pipeline` does. The errors of limits here are not meant.
 */
export function isConnectFailure(
  error: (NodeJS.ErrnoException & { readonly address?: string; readonly port?: number }) | undefined,
  { address, port }: { readonly address: string; readonly port: number },
): error is NodeJS.ErrnoException {
  if (error?.syscall !== 'connect' || isConnectTimeout(error)) return false
  return error.address === address && error.port === port
}

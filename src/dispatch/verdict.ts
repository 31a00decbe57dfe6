import type { Outcome } from '../core/outcome.ts'

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

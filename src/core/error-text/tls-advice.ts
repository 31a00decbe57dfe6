import { errorCodeOf } from '../outcome.ts'
import type { AttemptRecord } from './describe-attempts.ts'

/** Node's codes for a chain that ends at no trusted CA. */
const UNTRUSTED = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'CERT_UNTRUSTED',
])
const OTHER_NAME = new Set(['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH'])
/** The server answered the handshake with something other than TLS, usually HTTP. */
const NO_TLS = new Set(['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG', 'EPROTO'])

/** Advice on the first failed TLS handshake; undefined if none failed. */
export function tlsAdvice(attempts: readonly AttemptRecord[]): string | undefined {
  for (const { tier, outcome } of attempts) {
    const code = errorCodeOf(outcome)
    const connect = tier === 1 ? 'fallback.pool.connect' : 'pool.connect'
    if (UNTRUSTED.has(code))
      return `The certificate is of a CA that this process does not trust: give the CA as ${connect}.ca`
    if (OTHER_NAME.has(code))
      return `The certificate is for other names: ${connect}.servername says which one to expect, where it is not that of the URL`
    if (NO_TLS.has(code)) return 'The server does not speak TLS: use http instead of https, or another port'
  }
  return undefined
}

import { problem, type Finding } from './check.ts'

const OTHER_NAME = new Set(['ERR_TLS_CERT_ALTNAME_INVALID', 'HOSTNAME_MISMATCH'])
const EXPIRED = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID'])
const NO_TLS = /WRONG_VERSION_NUMBER|PACKET_LENGTH|EPROTO|CLOSED|ECONNRESET|TIMEOUT/

/**
 * A failed handshake.
 * @param code Node's
 * @param place where
 * @param option where the CA is given, for the remedy
 */
export function tlsFinding(
  code: string,
  place: string,
  message: string,
  name: string,
  option: string,
): Finding {
  const what = `${place}: TLS fails: ${message}`
  if (OTHER_NAME.has(code))
    return problem('tls-name', {
      what: `${place}: the certificate is for other names than ${name}: ${message}`,
      cause:
        'Certificates are verified against the name in the URL, and the task has one of its own, or of the load balancer.',
      remedy: `Issue a certificate for ${name}, or set pool.connect.servername to a name that it has.`,
    })
  if (EXPIRED.has(code))
    return problem('tls-expired', {
      what,
      cause: 'The certificate is not valid now: it was not renewed, or a clock is wrong.',
      remedy: 'Renew the certificate, and see the clocks below.',
    })
  if (NO_TLS.test(code))
    return problem('tls-not-spoken', {
      what,
      cause: 'What answers there does not speak TLS: usually HTTP, with TLS ending at the load balancer.',
      remedy: 'Call http:// instead of https://, or another port.',
    })
  return problem('tls-untrusted', {
    what,
    cause: 'The certificate is of a CA that this process does not trust, such as a private one.',
    remedy: `Give the CA: ${option}, or NODE_EXTRA_CA_CERTS for the process.`,
  })
}

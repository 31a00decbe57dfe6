/**
 * The meaning of an error, by its code. Where undici has no code, its message is read. If undici changes the message one day,
 * the error counts as the upstream's fault, and the request as sent: the careful reading.
 */
import { asError } from '../core/errors.ts'

/** Every upstream would fail alike. */
const SAME_EVERYWHERE = new Set([
  // Of the request: undici, or Node's HTTP/2, refuses to send it.
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_INVALID_RETURN_VALUE',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  // A body stream that was closed before its end.
  'UND_ERR_ABORT',
  'UND_ERR_ABORTED',
  'ERR_ASSERTION',
  'ERR_INVALID_ARG_TYPE',
  'ERR_INVALID_ARG_VALUE',
  'ERR_INVALID_CHAR',
  'ERR_INVALID_HTTP_TOKEN',
  'ERR_OUT_OF_RANGE',
  // Of this process: its limits, its configuration, its interceptors.
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
  'UND_ERR_WS_MESSAGE_SIZE_EXCEEDED',
  'UND_ERR_REDIRECT_MAX',
  'UND_ERR_REQ_RETRY',
  'UND_ERR_RESPONSE',
  'UND_ERR_MAX_ORIGINS_REACHED',
  'UND_ERR_BPL_MISSING_UPSTREAM',
  'ERR_WEBASSEMBLY_NOT_SUPPORTED',
  'ERR_SSL_NO_CIPHERS_AVAILABLE',
  'ERR_SSL_NO_CIPHER_MATCH',
  'ERR_SSL_NO_PROTOCOLS_AVAILABLE',
  // Of a test that has no answer: by onehop/testing, by undici's MockAgent.
  'ONEHOP_UNANSWERED',
  'UND_MOCK_ERR_MOCK_NOT_MATCHED',
])

/** This process closed the connection: another one may work. */
const OWN_FAULTS = new Set(['UND_ERR_CLOSED', 'UND_ERR_DESTROYED'])

/** The stream was never opened on the wire. */
const NEVER_OPENED = new Set([
  'ERR_HTTP2_GOAWAY_SESSION',
  'ERR_HTTP2_INVALID_SESSION',
  'ERR_HTTP2_OUT_OF_STREAMS',
  'ERR_HTTP2_STREAM_CANCEL',
])

/** Node's codes of OpenSSL's certificate errors: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
const CERTIFICATE_ERRORS = new Set([
  'CERT_CHAIN_TOO_LONG',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_REVOKED',
  'CERT_SIGNATURE_FAILURE',
  'CERT_UNTRUSTED',
  'CRL_HAS_EXPIRED',
  'CRL_NOT_YET_VALID',
  'CRL_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERROR_IN_CERT_NOT_AFTER_FIELD',
  'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  'ERROR_IN_CRL_LAST_UPDATE_FIELD',
  'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'INVALID_PURPOSE',
  'OUT_OF_MEM',
  'PATH_LENGTH_EXCEEDED',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  'UNABLE_TO_GET_CRL',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNSPECIFIED',
])

// RFC 9113 section 7.
const FRAME_SIZE_ERROR = 6
const REFUSED_STREAM = 7
const ENHANCE_YOUR_CALM = 11

/** undici's message for a WebSocket to a server with HTTP/2 but without RFC 8441. */
const NO_WEBSOCKET_OVER_HTTP2 = 'HTTP/2: Extended CONNECT protocol not supported by server'
const GOAWAY = 'HTTP/2: "GOAWAY" frame received'
const UPGRADE_RESET = 'HTTP/2: "stream error" received - code '
const UPGRADE_REFUSED = `${UPGRADE_RESET}${REFUSED_STREAM}`
const UPGRADE_TIMEOUT = 'HTTP/2: "stream timeout after'
/** nghttp2 did not send the request's headers. The code follows. */
const HEADERS_NOT_SENT = 'HTTP/2: "frameError" received - type 1, code '

/** Whether TLS failed: a certificate, a name, a version. Another try on the same task fails alike. */
export function isTlsError(error: Error): boolean {
  const code = codeOf(error)
  return CERTIFICATE_ERRORS.has(code) || /^ERR_(?:TLS|SSL|OSSL)_/.test(code) || code === 'EPROTO'
}

/** Whether TLS failed, or the peer closed during the handshake, as some do for names that they do not know. */
export function isHandshakeError(error: Error): boolean {
  return isTlsError(error) || messageOf(error).endsWith('before secure TLS connection was established')
}

/** Whether a WebSocket met HTTP/2 without RFC 8441. Nothing was sent; HTTP/1.1 may work. */
export function isHttp1Wanted(error: Error): boolean {
  return codeOf(error) === 'UND_ERR_INFO' && messageOf(error) === NO_WEBSOCKET_OVER_HTTP2
}

/** Whether a single stream was reset. Its connection stays, and a new one would not be better. */
export function isStreamReset(error: Error): boolean {
  return codeOf(error) === 'ERR_HTTP2_STREAM_ERROR' || messageOf(error).startsWith(UPGRADE_RESET)
}

/** Whether the task speaks no protocol that this connection offered. */
export function isOfferRefused(error: Error): boolean {
  return codeOf(error).endsWith('ALERT_NO_APPLICATION_PROTOCOL')
}

const ownErrors = new WeakSet<Error>()

/** Marks an error as this process's own, whatever its code: no upstream is to blame, and no attempt follows. */
export function asOwnError(thrown: unknown): Error {
  const error = asError(thrown)
  ownErrors.add(error)
  return error
}

/** Whether Node's HTTP/2 refused a request. undici wraps Node's error. */
export function isRefusedByHttp2(error: Error): boolean {
  return codeOf(error) === 'UND_ERR_INFO' && codeOf(error.cause) !== ''
}

/** Whether every upstream would fail alike: the request, or a limit of this process, is at fault. */
export function isSameEverywhere(error: Error, isConnected: boolean): boolean {
  const code = codeOf(error)
  if (SAME_EVERYWHERE.has(code) || ownErrors.has(error)) return true
  if (isRefusedByHttp2(error) || isHttp1Wanted(error)) return true
  // Node's HTTP/2 sends at most 64 KiB of headers.
  if (messageOf(error) === `${HEADERS_NOT_SENT}${FRAME_SIZE_ERROR}`) return true
  // The client's own certificate and key are read when a connection is made.
  return !isConnected && code.startsWith('ERR_OSSL_')
}

/**
 * Whether a limit of HTTP/2 was exceeded: this process's header fields (128 in Node, without an option in undici), or the
 * task's streams. The two look alike.
 */
function isCalmAsked(error: Error): boolean {
  return codeOf(error) === 'ERR_HTTP2_STREAM_ERROR' && http2CodeOf(error) === ENHANCE_YOUR_CALM
}

/** Whether the peer has not processed the request (RFC 9113 sections 6.8 and 8.7), or cannot have seen it. */
export function isUnprocessed(error: Error): boolean {
  const code = codeOf(error)
  const message = messageOf(error)
  if (code === 'ERR_HTTP2_STREAM_ERROR') return http2CodeOf(error) === REFUSED_STREAM
  if (NEVER_OPENED.has(code) || message.startsWith(HEADERS_NOT_SENT)) return true
  return message.startsWith(GOAWAY) || message === UPGRADE_REFUSED
}

/** undici adds it to stream errors. */
function http2CodeOf(error: Error): unknown {
  return (error as { http2ErrorCode?: unknown }).http2ErrorCode
}

/** The error's `code`; empty without one. */
export function codeOf(error: unknown): string {
  const code: unknown = (error as NodeJS.ErrnoException | null | undefined)?.code
  return typeof code === 'string' ? code : ''
}

/** A body may fail with any value. */
function messageOf(error: Error): string {
  return typeof error.message === 'string' ? error.message : ''
}

/** Whether this process closed the connection. */
export function isOwnFault(error: Error): boolean {
  return OWN_FAULTS.has(codeOf(error)) || isCalmAsked(error)
}

/** Whether no response headers came in time. */
export function isHeadersTimeout(error: Error): boolean {
  return codeOf(error) === 'UND_ERR_HEADERS_TIMEOUT' || messageOf(error).startsWith(UPGRADE_TIMEOUT)
}

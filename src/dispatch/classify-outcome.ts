/**
 * Whose fault it was: the one place that decides what the error of an attempt says of its upstream, and of the others.
 *
 * - The **request** or a **limit of this process** is at fault: every upstream would end alike. `cancelled`, with the
 *   error: one attempt, and no upstream is blamed.
 * - **This process** broke the connection: another may be asked where that is safe. `transport-error` with `ownFault`,
 *   which teaches nothing.
 * - The **peer** is: everything else. What it says that it has not processed counts as not sent.
 *
 * Where undici has no code for what it means, its message is read. If undici words it otherwise one day, the error
 * counts as the peer's, and the request as sent: the careful reading.
 */
import { errors } from 'undici'
import type { Outcome } from '../core/outcome.ts'

/** What is known of an attempt that an error ends. */
export interface AttemptFacts {
  readonly latencyMs: number
  /** Whether a connection was ever open for it. */
  readonly isConnected: boolean
  /** Whether any of the request may have been written. */
  readonly isSent: boolean
  /** Whether its body, its options or the name that it asks for are to blame. */
  readonly isRequestsFault: boolean
}

/** Of `connectMs`: an aborted attempt that had no connection by then would not have got one. */
const LONG_CONNECT = 0.5

/** Every upstream would end alike. */
const SAME_EVERYWHERE = new Set([
  // Of the request: undici, or Node's HTTP/2, refuses to send it.
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_INVALID_RETURN_VALUE',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  // A stream for a body that was closed before its end.
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
])

/** This process ended the connection: another one does. */
const OWN_FAULTS = new Set(['UND_ERR_CLOSED', 'UND_ERR_DESTROYED'])

/** The stream had not been opened on the wire. */
const NEVER_OPENED = new Set([
  'ERR_HTTP2_GOAWAY_SESSION',
  'ERR_HTTP2_INVALID_SESSION',
  'ERR_HTTP2_OUT_OF_STREAMS',
  'ERR_HTTP2_STREAM_CANCEL',
])

/** Of OpenSSL's verification, in Node's words: https://nodejs.org/api/tls.html#x509-certificate-error-codes */
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

/** undici's, for a WebSocket to a server that has HTTP/2 but not RFC 8441. */
const NO_WEBSOCKET_OVER_HTTP2 = 'HTTP/2: Extended CONNECT protocol not supported by server'
const GOAWAY = 'HTTP/2: "GOAWAY" frame received'
const UPGRADE_RESET = 'HTTP/2: "stream error" received - code '
const UPGRADE_REFUSED = `${UPGRADE_RESET}${REFUSED_STREAM}`
const UPGRADE_TIMEOUT = 'HTTP/2: "stream timeout after'
/** nghttp2 did not send the request's headers; the code follows. */
const HEADERS_NOT_SENT = 'HTTP/2: "frameError" received - type 1, code '

/** What an error of undici's says of the upstream. */
export function classifyError(error: Error, facts: AttemptFacts): Outcome {
  const { latencyMs, isConnected, isSent } = facts
  const code = codeOf(error)
  const isOfAnother = isRefusedByHttp2(error) && wasToldBefore(error)
  if (facts.isRequestsFault) return nobodysFault(error)
  if (isOfAnother || OWN_FAULTS.has(code) || isCalmAsked(error))
    return { kind: 'transport-error', error, sent: isConnected && isSent, ownFault: true }
  if (isSameEverywhere(error, isConnected)) return nobodysFault(error)
  if (isUnprocessed(error)) return { kind: 'transport-error', error, sent: false }
  if (code === 'UND_ERR_CONNECT_TIMEOUT') return { kind: 'timeout', phase: 'connect', latencyMs, error }
  if (code === 'UND_ERR_BODY_TIMEOUT') return { kind: 'timeout', phase: 'body', latencyMs, error }
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || messageOf(error).startsWith(UPGRADE_TIMEOUT))
    return classifyLateness(error, latencyMs, isConnected)
  // undici asks again over another connection what was not processed; that one may fail, too.
  const isConnecting = !isConnected || (error as NodeJS.ErrnoException).syscall === 'connect'
  return isConnecting ? { kind: 'connect-error', error } : { kind: 'transport-error', error, sent: isSent }
}

/**
 * What an abort by the caller says of the upstream: as a rule nothing.
 *
 * Whose patience ends before a connection is made tells as much as a connect timeout: within a network of one's own it
 * takes a millisecond or two. Without this, a task that is gone without a word is never put out by callers who wait no
 * longer than `connectMs`.
 * @param connectMs how long the connection that it waits for may take; Infinity: it does not wait for one
 */
export function classifyAbort(reason: Error, latencyMs: number, connectMs: number): Outcome {
  if (!isLongConnect(latencyMs, connectMs)) return { kind: 'cancelled', latencyMs }
  const told = `no connection in ${Math.round(latencyMs)} ms, when the caller left`
  const error = Object.assign(new errors.ConnectTimeoutError(told), { cause: reason })
  return { kind: 'timeout', phase: 'connect', latencyMs, error }
}

/** Whether a connection that is not made after this time will not be made: the upstream is to blame. */
export function isLongConnect(connectingMs: number, connectMs: number): boolean {
  return connectingMs >= LONG_CONNECT * connectMs
}

/**
 * What it says of the upstream that there were no response headers in time.
 * @param isConnected without a connection it may as well have waited for one of a full pool: no reason to eject anybody
 */
export function classifyLateness(error: Error, latencyMs: number, isConnected: boolean): Outcome {
  if (!isConnected) return { kind: 'transport-error', error, sent: false }
  return { kind: 'timeout', phase: 'headers', latencyMs, error }
}

/** Whether the two sides did not agree on TLS: a certificate, a name, a version. Asking the same again changes nothing. */
export function isTlsError(error: Error): boolean {
  const code = codeOf(error)
  return CERTIFICATE_ERRORS.has(code) || /^ERR_(?:TLS|SSL|OSSL)_/.test(code) || code === 'EPROTO'
}

/** The same, or the peer hung up during the handshake, as some do for names that they do not know. */
export function isHandshakeError(error: Error): boolean {
  return isTlsError(error) || messageOf(error).endsWith('before secure TLS connection was established')
}

/** Whether a WebSocket found HTTP/2 without RFC 8441. Nothing was sent; over HTTP/1.1 it may work. */
export function isHttp1Wanted(error: Error): boolean {
  return codeOf(error) === 'UND_ERR_INFO' && messageOf(error) === NO_WEBSOCKET_OVER_HTTP2
}

/** Whether a single stream was reset: its connection stands, and a new one would be no better. */
export function isStreamReset(error: Error): boolean {
  return codeOf(error) === 'ERR_HTTP2_STREAM_ERROR' || messageOf(error).startsWith(UPGRADE_RESET)
}

/** Whether the task speaks none of the protocols that this connection offered. */
export function isOfferRefused(error: Error): boolean {
  return codeOf(error).endsWith('ALERT_NO_APPLICATION_PROTOCOL')
}

/** The same error, or one of its class and code that names the option that sets the limit. */
export function explained(error: Error): Error {
  switch (codeOf(error)) {
    case 'UND_ERR_HEADERS_OVERFLOW':
      return Object.assign(
        new errors.HeadersOverflowError(
          'the response headers are longer than this client takes; pool.maxHeaderSize sets the limit, in bytes',
        ),
        { cause: error },
      )
    case 'UND_ERR_RES_EXCEEDED_MAX_SIZE':
      return Object.assign(
        new errors.ResponseExceededMaxSizeError(
          'the response body is longer than this client takes; pool.maxResponseSize sets the limit, in bytes',
        ),
        { cause: error },
      )
    default:
      return error
  }
}

const thrownByConnectors = new WeakSet<Error>()

/** Remembers an error that a connector threw instead of connecting: its options are wrong, whatever the upstream. */
export function asThrownByConnector(thrown: unknown): Error {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown })
  thrownByConnectors.add(error)
  return error
}

const toldBefore = new WeakSet<Error>()

/**
 * Node's HTTP/2 refuses a request (a header that HTTP/2 forbids), and undici destroys the whole session with that
 * error. The request at fault is told first, in the same turn; the others of the session are told the same error after.
 */
function wasToldBefore(error: Error): boolean {
  if (toldBefore.has(error)) return true
  toldBefore.add(error)
  return false
}

/** undici wraps what Node threw. */
function isRefusedByHttp2(error: Error): boolean {
  return codeOf(error) === 'UND_ERR_INFO' && codeOf(error.cause) !== ''
}

function isSameEverywhere(error: Error, isConnected: boolean): boolean {
  const code = codeOf(error)
  if (SAME_EVERYWHERE.has(code) || thrownByConnectors.has(error)) return true
  if (isRefusedByHttp2(error) || isHttp1Wanted(error)) return true
  // Longer headers than HTTP/2 sends in Node (64 KiB).
  if (messageOf(error) === `${HEADERS_NOT_SENT}${FRAME_SIZE_ERROR}`) return true
  // Certificates and keys of one's own are read when a connection is made.
  return !isConnected && code.startsWith('ERR_OSSL_')
}

/**
 * Either this process takes no more header fields over HTTP/2 (128 in Node, and undici has no option for it), or the task
 * takes no more streams now. The two look alike.
 */
function isCalmAsked(error: Error): boolean {
  return codeOf(error) === 'ERR_HTTP2_STREAM_ERROR' && http2CodeOf(error) === ENHANCE_YOUR_CALM
}

/** Whether the peer says that it has not processed the request (RFC 9113 sections 6.8 and 8.7), or cannot have seen it. */
function isUnprocessed(error: Error): boolean {
  const code = codeOf(error)
  const message = messageOf(error)
  if (code === 'ERR_HTTP2_STREAM_ERROR') return http2CodeOf(error) === REFUSED_STREAM
  if (NEVER_OPENED.has(code) || message.startsWith(HEADERS_NOT_SENT)) return true
  return message.startsWith(GOAWAY) || message === UPGRADE_REFUSED
}

/** Not how long it took: that says nothing of the upstream, either. */
function nobodysFault(error: Error): Outcome {
  return { kind: 'cancelled', latencyMs: 0, error }
}

/** undici adds it to errors of streams. */
function http2CodeOf(error: Error): unknown {
  return (error as { http2ErrorCode?: unknown }).http2ErrorCode
}

function codeOf(error: unknown): string {
  const code: unknown = (error as NodeJS.ErrnoException | null | undefined)?.code
  return typeof code === 'string' ? code : ''
}

/** A body may fail with anything. */
function messageOf(error: Error): string {
  return typeof error.message === 'string' ? error.message : ''
}

import type { Attributes } from '@opentelemetry/api'
import type { Outcome } from '../core/outcome.ts'
import { urlPort } from '../core/url-port.ts'

/** Names of attributes: those of the semantic conventions, and short ones for onehop's own metrics. */
export const SERVER_ADDRESS = 'server.address'
export const SERVER_PORT = 'server.port'
export const METHOD = 'http.request.method'
export const STATUS_CODE = 'http.response.status_code'
export const ERROR_TYPE = 'error.type'
const PEER_ADDRESS = 'network.peer.address'
const PEER_PORT = 'network.peer.port'

/** What the semantic conventions have for a value outside the set. */
export const OTHER = '_OTHER'

/** RFC 9110 section 9, PATCH, and QUERY. */
const METHODS = new Set([
  ...['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', 'QUERY'],
])

/** Codes of onehop, of Node's sockets, DNS and TLS, and of undici, that a call can fail with. */
const ERROR_CODES = new Set([
  ...['ONEHOP_ATTEMPTS_EXHAUSTED', 'ONEHOP_CLOSED', 'ONEHOP_DEADLINE_EXCEEDED', 'ONEHOP_INVALID_OPTIONS'],
  ...['ONEHOP_NO_ENDPOINTS', 'ONEHOP_OVERLOADED', 'ONEHOP_QUEUE_TIMEOUT', 'ONEHOP_RESOLUTION_FAILED'],
  ...['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EPROTO'],
  ...['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL', 'EADDRINUSE'],
  ...['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM', 'ENOTFOUND', 'EAI_AGAIN'],
  ...['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID', 'CERT_REVOKED', 'CERT_UNTRUSTED', 'HOSTNAME_MISMATCH'],
  ...['DEPTH_ZERO_SELF_SIGNED_CERT', 'SELF_SIGNED_CERT_IN_CHAIN', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
  ...['UNABLE_TO_GET_ISSUER_CERT', 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY'],
  ...['ERR_TLS_CERT_ALTNAME_INVALID', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'],
  ...['ERR_HTTP2_ERROR', 'ERR_HTTP2_STREAM_ERROR', 'ERR_HTTP2_SESSION_ERROR', 'ERR_HTTP2_STREAM_CANCEL'],
  ...['ERR_HTTP2_GOAWAY_SESSION'],
  ...['UND_ERR_ABORTED', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CLOSED', 'UND_ERR_CONNECT_TIMEOUT'],
  ...['UND_ERR_DESTROYED', 'UND_ERR_HEADERS_OVERFLOW', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_INFO'],
  ...['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED', 'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH'],
  ...['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', 'UND_ERR_RES_EXCEEDED_MAX_SIZE', 'UND_ERR_SOCKET'],
])
/** Of `DOMException`s, whose `code` is a number. */
const ERROR_NAMES = new Set(['AbortError', 'TimeoutError'])

/** `GET`; `_OTHER` for a method of the caller's own. */
export function methodOf(method: string): string {
  if (METHODS.has(method)) return method
  const upper = method.toUpperCase()
  return METHODS.has(upper) ? upper : OTHER
}

/**
 * `ECONNRESET`, `ONEHOP_DEADLINE_EXCEEDED`, `AbortError`, or the status as a string for a response from 400; undefined if
 * all went well. An abort reason can be anything, and then is `_OTHER`.
 */
export function errorTypeOf(error: unknown, status: number | undefined): string | undefined {
  if (error === undefined) return status !== undefined && status >= 400 ? String(status) : undefined
  const { code, name } = (error ?? {}) as { readonly code?: unknown; readonly name?: unknown }
  if (typeof code === 'string' && ERROR_CODES.has(code)) return code
  return typeof name === 'string' && ERROR_NAMES.has(name) ? name : OTHER
}

/** As {@link errorTypeOf}, for one attempt. */
export function errorTypeOfOutcome(outcome: Outcome): string | undefined {
  if (outcome.kind === 'response') return errorTypeOf(undefined, outcome.status)
  return outcome.error === undefined ? 'AbortError' : errorTypeOf(outcome.error, undefined)
}

/** A task, or the load balancer. */
export function tierOf(tier: 0 | 1): 'task' | 'fallback' {
  return tier === 0 ? 'task' : 'fallback'
}

const SOURCES = new Set(['cloud-map', 'dns', 'static'])

/** Where the last answer came from; `_OTHER` for a resolver of the user's. */
export function sourceOf(source: string): string {
  return SOURCES.has(source) ? source : OTHER
}

/** @param upstream `10.0.11.42:8080`, `[2a05::1]:8080` */
export function peerOf(upstream: string): Attributes {
  const colon = upstream.lastIndexOf(':')
  const address = upstream.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return { [PEER_ADDRESS]: address, [PEER_PORT]: Number(upstream.slice(colon + 1)) }
}

/** @param origin `http://orders.shop.local:8080` */
export function portOf(origin: string): number {
  return urlPort(new URL(origin))
}

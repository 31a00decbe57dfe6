/** Failures as errors of Connect. */
import {
  AttemptsExhaustedError,
  ClosedError,
  DeadlineExceededError,
  InvalidOptionsError,
  NoEndpointsError,
  OverloadedError,
  QueueTimeoutError,
  ResolutionFailedError,
} from '../index.ts'

/** Codes of gRPC and Connect that failures of a call have. https://grpc.io/docs/guides/status-codes/ */
const CODES = {
  canceled: 1,
  unknown: 2,
  invalid_argument: 3,
  deadline_exceeded: 4,
  permission_denied: 7,
  resource_exhausted: 8,
  internal: 13,
  unavailable: 14,
} as const

type CodeName = keyof typeof CODES

/**
 * Connect's `ConnectError`, to which its `instanceof` recognizes errors by these fields. Its class cannot be imported without
 * making Connect a dependency.
 */
export class CallError extends Error {
  override readonly name = 'ConnectError'
  /** Of Connect and gRPC, e.g. 14 for `unavailable`. */
  readonly code: number
  /** The message without the code. */
  readonly rawMessage: string
  readonly metadata: Headers = new Headers()
  readonly details: readonly never[] = []
  /** It has not come from the server. */
  readonly isWireError = false
  declare readonly cause: unknown

  constructor(code: CodeName, cause: unknown) {
    const rawMessage = cause instanceof Error ? cause.message : String(cause)
    super(`[${code}] ${rawMessage}`, { cause })
    this.code = CODES[code]
    this.rawMessage = rawMessage
  }

  /** The server has sent none. */
  findDetails(): readonly never[] {
    return this.details
  }
}

/** The error of a call that failed without an answer. Errors of Connect, such as its deadline's, are passed on as they are. */
export function callError(error: unknown): Error {
  if (isConnectError(error)) return error
  return new CallError(codeOf(error), error)
}

/** The error of a call whose own body failed. Not `unavailable`: another attempt would fail, too. */
export function bodyError(error: unknown): Error {
  return isConnectError(error) ? error : new CallError('internal', error)
}

function isConnectError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'ConnectError' && 'rawMessage' in error
}

function codeOf(error: unknown): CodeName {
  if (error instanceof OverloadedError) return 'resource_exhausted'
  if (error instanceof DeadlineExceededError) return 'deadline_exceeded'
  if (error instanceof InvalidOptionsError) return 'invalid_argument'
  if (UNAVAILABLE.some((kind) => error instanceof kind)) return 'unavailable'
  if (error instanceof AttemptsExhaustedError) return codeOf(error.cause)
  if (!(error instanceof Error)) return 'unknown'
  if (error.name === 'AbortError' || error.name === 'TimeoutError') return 'canceled'
  return codeOfHttp2(error) ?? BY_CODE[(error as NodeJS.ErrnoException).code ?? ''] ?? 'unavailable'
}

const UNAVAILABLE = [NoEndpointsError, ResolutionFailedError, QueueTimeoutError, ClosedError] as const

/** Errors of undici and Node. Those that are not here are of connections: unavailable. */
const BY_CODE: Readonly<Record<string, CodeName>> = {
  UND_ERR_HEADERS_TIMEOUT: 'deadline_exceeded',
  UND_ERR_BODY_TIMEOUT: 'deadline_exceeded',
  UND_ERR_ABORTED: 'canceled',
  UND_ERR_INVALID_ARG: 'invalid_argument',
  UND_ERR_NOT_SUPPORTED: 'invalid_argument',
  UND_ERR_REQ_CONTENT_LENGTH_MISMATCH: 'internal',
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: 'internal',
  UND_ERR_HEADERS_OVERFLOW: 'resource_exhausted',
  UND_ERR_RES_EXCEEDED_MAX_SIZE: 'resource_exhausted',
}

/** Why a stream was reset. https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md#errors */
const BY_HTTP2_CODE: Readonly<Record<number, CodeName>> = {
  7: 'unavailable',
  8: 'canceled',
  11: 'resource_exhausted',
  12: 'permission_denied',
}

function codeOfHttp2(error: Error): CodeName | undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ERR_HTTP2_STREAM_ERROR') return undefined
  const { http2ErrorCode } = error as { http2ErrorCode?: number }
  return BY_HTTP2_CODE[http2ErrorCode ?? -1] ?? 'internal'
}

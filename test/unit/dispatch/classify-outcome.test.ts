/** Whose fault each error is that undici, Node and OpenSSL make. A row for each: a class that undici adds has none. */
import { errors } from 'undici'
import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../../src/core/outcome.ts'
import { explained, classifyError } from '../../../src/dispatch/classify-outcome.ts'
import { asOwnError, isTlsError } from '../../../src/dispatch/error-kinds.ts'

type Verdict =
  /** One attempt, nobody blamed. */
  | 'nobody'
  /** This process broke the connection: nobody blamed, another attempt where that is safe. */
  | 'own'
  /** The peer, which has processed nothing. */
  | 'unprocessed'
  /** The peer, which may have processed the request. */
  | 'peer'
  | 'connect'
  | 'connect timeout'
  | 'headers timeout'
  | 'body timeout'

function told(outcome: Outcome): Verdict {
  switch (outcome.kind) {
    case 'cancelled':
      expect(outcome).toEqual({ kind: 'cancelled', latencyMs: 0, error: outcome.error })
      expect(outcome.error).toBeInstanceOf(Error)
      return 'nobody'
    case 'transport-error':
      if (outcome.ownFault === true) return 'own'
      return outcome.sent ? 'peer' : 'unprocessed'
    case 'timeout':
      return `${outcome.phase} timeout`
    case 'connect-error':
      return 'connect'
    case 'response':
    case 'queue-timeout':
      throw new Error('undici reports neither by an error')
  }
}

function verdicts(error: Error): {
  readonly sent: Verdict
  readonly unsent: Verdict
  readonly unconnected: Verdict
} {
  const facts = { latencyMs: 7, isRequestsFault: false }
  return {
    sent: told(classifyError(error, { ...facts, isConnected: true, isSent: true })),
    unsent: told(classifyError(error, { ...facts, isConnected: true, isSent: false })),
    unconnected: told(classifyError(error, { ...facts, isConnected: false, isSent: false })),
  }
}

/** After the request was written; while it was not; while there was no connection. */
type Row = readonly [sent: Verdict, unsent: Verdict, unconnected: Verdict]
const nobody: Row = ['nobody', 'nobody', 'nobody']
const peer: Row = ['peer', 'unprocessed', 'connect']
const unprocessed: Row = ['unprocessed', 'unprocessed', 'unprocessed']

function expectRow(error: Error, [sent, unsent, unconnected]: Row): void {
  expect(verdicts(error)).toEqual({ sent, unsent, unconnected })
}

const UNDICI: Record<string, Row> = {
  // The request, or what reads the response, is wrong.
  InvalidArgumentError: nobody,
  InvalidReturnValueError: nobody,
  NotSupportedError: nobody,
  RequestContentLengthMismatchError: nobody,
  AbortError: nobody,
  RequestAbortedError: nobody,
  // Limits of this process.
  HeadersOverflowError: nobody,
  ResponseExceededMaxSizeError: nobody,
  MessageSizeExceededError: nobody,
  MaxRedirectsError: nobody,
  MaxOriginsReachedError: nobody,
  WebAssemblyNotSupportedError: nobody,
  // Made by interceptors and balanced pools, which run in this process.
  RequestRetryError: nobody,
  ResponseError: nobody,
  BalancedPoolMissingUpstreamError: nobody,
  // A pool that this process closes.
  ClientClosedError: ['own', 'own', 'own'],
  ClientDestroyedError: ['own', 'own', 'own'],
  // The peer's.
  ConnectTimeoutError: ['connect timeout', 'connect timeout', 'connect timeout'],
  HeadersTimeoutError: ['headers timeout', 'headers timeout', 'unprocessed'],
  BodyTimeoutError: ['body timeout', 'body timeout', 'body timeout'],
  HTTPParserError: peer,
  InformationalError: peer,
  ProxyConnectionError: peer,
  ResponseContentLengthMismatchError: peer,
  SecureProxyConnectionError: peer,
  SocketError: peer,
  Socks5ProxyError: peer,
  UndiciError: peer,
}

type AnyError = new (...given: unknown[]) => Error

describe('errors of undici', () => {
  test('each class has a row', () => {
    expect(Object.keys(errors).toSorted()).toEqual(Object.keys(UNDICI).toSorted())
  })

  test.each(Object.entries(UNDICI))('%s', (name, row) => {
    const Kind = (errors as unknown as Record<string, AnyError>)[name] as AnyError
    expectRow(
      name.includes('Proxy') && !name.startsWith('Socks')
        ? new Kind(undefined)
        : new Kind('told', undefined, {}),
      row,
    )
  })
})

const of = (code: string, more: object = {}): Error =>
  Object.assign(new Error(`told (${code})`), { code }, more)
const stream = (http2ErrorCode: number): Error => of('ERR_HTTP2_STREAM_ERROR', { http2ErrorCode })
const info = (message: string, cause?: Error): Error =>
  new (errors.InformationalError as AnyError)(message, { cause })

describe('errors of HTTP/2', () => {
  test.each([
    ['a stream that was refused', stream(7), unprocessed],
    ['a refused upgrade', info('HTTP/2: "stream error" received - code 7'), unprocessed],
    ['GOAWAY without an error', info('HTTP/2: "GOAWAY" frame received with code 0'), unprocessed],
    [
      'GOAWAY with an error',
      new errors.SocketError('HTTP/2: "GOAWAY" frame received with code 11'),
      unprocessed,
    ],
    ['a stream that waited for its session', of('ERR_HTTP2_STREAM_CANCEL'), unprocessed],
    ['a session that goes away', of('ERR_HTTP2_GOAWAY_SESSION'), unprocessed],
    ['a session that is over', of('ERR_HTTP2_INVALID_SESSION'), unprocessed],
    ['no stream left', of('ERR_HTTP2_OUT_OF_STREAMS'), unprocessed],
    ['headers that were not sent', info('HTTP/2: "frameError" received - type 1, code 5'), unprocessed],
    ['headers too long to be sent', info('HTTP/2: "frameError" received - type 1, code 6'), nobody],
    ['a body that was not sent', info('HTTP/2: "frameError" received - type 0, code 5'), peer],
    ['a stream that was reset', stream(2), peer],
    ['a stream that was cancelled', stream(8), peer],
    ['a session error', of('ERR_HTTP2_SESSION_ERROR', { http2ErrorCode: 7 }), peer],
    ['a protocol error', of('ERR_HTTP2_ERROR', { http2ErrorCode: 2 }), peer],
    ['more header fields than Node takes', stream(11), ['own', 'own', 'own']],
    [
      'a late answer to an upgrade',
      info('HTTP/2: "stream timeout after 300"'),
      UNDICI['HeadersTimeoutError'] as Row,
    ],
    ['no WebSocket', info('HTTP/2: Extended CONNECT protocol not supported by server'), nobody],
    ['a closed stream', info('HTTP/2: stream closed before the response was complete'), peer],
  ] as const)('%s', (_name, error, row) => {
    expectRow(error, row)
  })

  test.each([
    'ERR_HTTP2_INVALID_CONNECTION_HEADERS',
    'ERR_HTTP2_HEADER_SINGLE_VALUE',
    'ERR_INVALID_HTTP_TOKEN',
  ])('a request that Node refuses with %s is at fault, the others of its session are not', (code) => {
    const facts = { latencyMs: 7, isConnected: true, isSent: true, isRequestsFault: false }
    const error = info('Headers are forbidden', of(code))
    expect(told(classifyError(error, facts))).toBe('nobody')
    expect(told(classifyError(error, facts))).toBe('own')
    expect(
      told(classifyError(info('Headers are forbidden', of(code)), { ...facts, isRequestsFault: true })),
    ).toBe('nobody')
  })
})

describe('errors of Node and OpenSSL', () => {
  test.each([
    'ECONNREFUSED',
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'EACCES',
    'EMFILE',
  ])('%s is the peer, for the cluster to weigh', (code) => {
    expectRow(of(code), peer)
  })

  test('an error of connecting is one also where an earlier connection was open: nothing was processed', () => {
    expectRow(of('ECONNREFUSED', { syscall: 'connect' }), ['connect', 'connect', 'connect'])
  })

  test.each([
    'ERR_INVALID_ARG_TYPE',
    'ERR_INVALID_ARG_VALUE',
    'ERR_OUT_OF_RANGE',
    'ERR_ASSERTION',
    'ERR_INVALID_CHAR',
  ])('%s is nobody', (code) => {
    expectRow(of(code), nobody)
  })

  test.each([
    'CERT_HAS_EXPIRED',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    'EPROTO',
    'ERR_SSL_WRONG_VERSION_NUMBER',
  ])('%s is a TLS error, and a failed connection', (code) => {
    expect(isTlsError(of(code))).toBe(true)
    expect(verdicts(of(code)).unconnected).toBe('connect')
  })

  test.each([
    'ERR_OSSL_PEM_NO_START_LINE',
    'ERR_OSSL_X509_KEY_VALUES_MISMATCH',
    'ERR_SSL_NO_CIPHER_MATCH',
    'ERR_SSL_NO_PROTOCOLS_AVAILABLE',
  ])('%s is the configuration of this process', (code) => {
    expect(verdicts(of(code)).unconnected).toBe('nobody')
  })

  test('what a connector throws is the configuration of this process', () => {
    expectRow(asOwnError(new Error('not enough data')), nobody)
    expectRow(asOwnError('not an error'), nobody)
  })

  test('an error that is the fault of the request counts against no upstream', () => {
    const facts = { latencyMs: 7, isConnected: false, isSent: false, isRequestsFault: true }
    expect(told(classifyError(of('ERR_TLS_CERT_ALTNAME_INVALID'), facts))).toBe('nobody')
    expect(
      told(classifyError('a body may fail with anything' as never, { ...facts, isRequestsFault: false })),
    ).toBe('connect')
  })
})

test('an exceeded limit names the option that sets it', () => {
  const overflow = new errors.HeadersOverflowError()
  expect(explained(overflow)).toMatchObject({
    code: 'UND_ERR_HEADERS_OVERFLOW',
    name: 'HeadersOverflowError',
    message: expect.stringContaining('pool.maxHeaderSize'),
    cause: overflow,
  })
  expect(explained(new errors.ResponseExceededMaxSizeError())).toMatchObject({
    code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
    message: expect.stringContaining('pool.maxResponseSize'),
  })
  const other = new Error('other')
  expect(explained(other)).toBe(other)
})

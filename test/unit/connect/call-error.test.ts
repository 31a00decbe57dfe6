import { errors } from 'undici'
import { describe, expect, test } from 'vitest'
import {
  AttemptsExhaustedError,
  ClosedError,
  DeadlineExceededError,
  InvalidOptionsError,
  NoEndpointsError,
  OverloadedError,
  QueueTimeoutError,
  ResolutionFailedError,
} from 'onehop'
import { callError } from '../../../src/connect/call-error.ts'

const HOST = 'orders.shop.local'

function exhausted(cause: Error): Error {
  return new AttemptsExhaustedError(HOST, 'no attempts left', [], cause)
}

function http2Error(http2ErrorCode: number): Error {
  return Object.assign(new Error('reset'), { code: 'ERR_HTTP2_STREAM_ERROR', http2ErrorCode })
}

function codeOf(error: unknown): unknown {
  return (callError(error) as { code?: unknown }).code
}

test.each<[string, unknown, number]>([
  ['a bulkhead', new OverloadedError(HOST, 'full'), 8],
  ['no endpoints', new NoEndpointsError(HOST, '0 of 0'), 14],
  ['failed discovery', new ResolutionFailedError(HOST, 'SERVFAIL'), 14],
  ['a full queue', new QueueTimeoutError(HOST, '10.0.0.1:80', 5, 'none free'), 14],
  ['a closed client', new ClosedError('the client'), 14],
  ['a deadline', new DeadlineExceededError(HOST, 50, 1), 4],
  ['a wrong option', new InvalidOptionsError('hedge', true, 'false'), 3],
  ['refused connections', exhausted(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })), 14],
  ['a broken connection', exhausted(new errors.SocketError('other side closed')), 14],
  ['no headers in time', exhausted(new errors.HeadersTimeoutError('late')), 4],
  ['a body that stopped', new errors.BodyTimeoutError('late'), 4],
  ['an abort', new DOMException('This operation was aborted', 'AbortError'), 1],
  ['AbortSignal.timeout()', new DOMException('timeout', 'TimeoutError'), 1],
  ['a stream that was refused', exhausted(http2Error(7)), 14],
  ['a stream that was cancelled', http2Error(8), 1],
  ['a server that wants calm', http2Error(11), 8],
  ['a server that failed', http2Error(2), 13],
  ['headers that are too long', new errors.HeadersOverflowError('long'), 8],
  ['what is no error', 'a string', 2],
])('%s', (_what, error, code) => {
  expect(codeOf(error)).toBe(code)
})

describe('an error of this door', () => {
  const cause = new NoEndpointsError(HOST, '0 of 0 endpoints')
  const error = callError(cause)

  test('has the fields of a ConnectError', () => {
    expect(error).toMatchObject({
      name: 'ConnectError',
      message: `[unavailable] ${cause.message}`,
      rawMessage: cause.message,
      cause,
      details: [],
      isWireError: false,
    })
    expect(error).toHaveProperty('metadata', new Headers())
  })

  test('is passed on as it is, as those of Connect are', () => {
    expect(callError(error)).toBe(error)
  })
})

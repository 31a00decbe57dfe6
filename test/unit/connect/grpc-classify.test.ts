import { describe, expect, test } from 'vitest'
import type { Classification } from 'onehop'
import { grpcClassify } from 'onehop/connect'

const grpc = { 'content-type': 'application/grpc+proto' }

/** By the trailers of a response whose headers left it open. */
function byTrailers(code: string, more: object = {}): Classification | 'trailers' | undefined {
  expect(grpcClassify(200, grpc, undefined)).toBe('trailers')
  return grpcClassify(200, grpc, { 'grpc-status': code, ...more })
}

// Envoy's grpcToHttpStatus (source/common/grpc/status.cc), where 5xx counts.
const KINDS: Readonly<Record<Classification['kind'], readonly number[]>> = {
  success: [0, 3, 5, 6, 7, 9, 10, 11, 16],
  failure: [2, 4, 12, 13, 15],
  unavailable: [14],
  overloaded: [8],
  ignored: [1],
}

describe('grpcClassify', () => {
  test.each(Object.entries(KINDS).flatMap(([kind, codes]) => codes.map((code) => [code, kind] as const)))(
    'takes %i for %s, in headers and in trailers',
    (code, kind) => {
      expect(byTrailers(String(code))).toMatchObject({ kind })
      expect(grpcClassify(200, { ...grpc, 'grpc-status': String(code) }, undefined)).toMatchObject({ kind })
    },
  )

  test('has 8 and 14 sent again, where the call may be', () => {
    const retried = Array.from({ length: 17 }, (_, code) => code).filter((code) => {
      const { retry = 'never' } = byTrailers(String(code)) as Classification
      expect(retry).not.toBe('any')
      return retry !== 'never'
    })
    expect(retried).toEqual([8, 14])
  })

  test('respects grpc-retry-pushback-ms', () => {
    expect(byTrailers('14', { 'grpc-retry-pushback-ms': '250' })).toMatchObject({
      retryAfterMs: 250,
      retry: 'idempotent',
    })
    for (const wrong of ['-1', 'soon', '', '1.5', ['1', '2']])
      expect(byTrailers('14', { 'grpc-retry-pushback-ms': wrong })).toMatchObject({ retry: 'never' })
  })

  test('takes an answer without a status for a failure', () => {
    expect(grpcClassify(200, grpc, {})).toMatchObject({ kind: 'failure', reason: 'no grpc-status' })
  })

  test('leaves all other responses to their status', () => {
    const proto = { 'content-type': 'application/proto', 'grpc-status': '14' }
    expect(grpcClassify(200, proto, undefined)).toBeUndefined()
    expect(grpcClassify(200, {}, undefined)).toBeUndefined()
    expect(grpcClassify(503, grpc, undefined)).toBeUndefined()
    expect(grpcClassify(503, { ...grpc, 'grpc-status': '0' }, undefined)).toBeUndefined()
  })

  test('reads the headers of gRPC-web, whose trailers are in its body', () => {
    const web = { 'content-type': 'application/grpc-web+proto' }
    expect(grpcClassify(200, web, undefined)).toBeUndefined()
    expect(grpcClassify(200, { ...web, 'grpc-status': '14' }, undefined)).toMatchObject({
      kind: 'unavailable',
    })
  })
})

import { describe, expect, test } from 'vitest'
import { outcomeOf, outcomeOfHeaders, type Ended } from '../../../src/grpc/outcome.ts'
import type { Metadata } from '../../../src/grpc/grpc-js.ts'

function metadata(values: Readonly<Record<string, string>> = {}): Metadata {
  return { get: (key) => (values[key] === undefined ? [] : [values[key]]) }
}

function ended(by: Ended['by'], code: number, more: Partial<Ended> = {}): Ended {
  return {
    ...{
      code,
      by,
      details: 'why',
      metadata: metadata(),
      rstCode: undefined,
      isLate: false,
      isAnswered: false,
      latencyMs: 7,
    },
    ...more,
  }
}

/** The statuses of gRPC, in the order of their numbers, as Envoy takes them. */
const TABLE: readonly (readonly [string, number])[] = [
  ['OK', 200],
  ['CANCELLED', 499],
  ['UNKNOWN', 500],
  ['INVALID_ARGUMENT', 400],
  ['DEADLINE_EXCEEDED', 504],
  ['NOT_FOUND', 404],
  ['ALREADY_EXISTS', 409],
  ['PERMISSION_DENIED', 403],
  ['RESOURCE_EXHAUSTED', 429],
  ['FAILED_PRECONDITION', 400],
  ['ABORTED', 409],
  ['OUT_OF_RANGE', 400],
  ['UNIMPLEMENTED', 501],
  ['INTERNAL', 500],
  ['UNAVAILABLE', 503],
  ['DATA_LOSS', 500],
  ['UNAUTHENTICATED', 401],
]

describe('a status of the task', () => {
  test.each(TABLE.map(([name, http], code) => [name, code, http] as const))(
    '%s (%i) counts as %i',
    (_name, code, http) => {
      expect(outcomeOf(ended('task', code))).toEqual({
        kind: 'response',
        status: http,
        latencyMs: 7,
        retryAfterMs: undefined,
      })
    },
  )

  test('that gRPC does not know counts as a failure', () => {
    expect(outcomeOf(ended('task', 99))).toMatchObject({ status: 500 })
  })

  test('may ask for a pause, and announce that the task drains', () => {
    const values = { 'grpc-retry-pushback-ms': '2500', 'x-onehop-draining': '1' }
    expect(outcomeOf(ended('task', 14, { metadata: metadata(values) }))).toMatchObject({
      status: 503,
      retryAfterMs: 2_500,
      draining: true,
    })
    const no = { 'grpc-retry-pushback-ms': '-1' }
    expect(outcomeOf(ended('task', 14, { metadata: metadata(no) }))).toMatchObject({
      retryAfterMs: undefined,
    })
    expect(outcomeOfHeaders(metadata(values), 3)).toMatchObject({ status: 200, latencyMs: 3, draining: true })
    expect(outcomeOfHeaders(metadata(), 3)).not.toHaveProperty('draining')
  })
})

test('a stream that breaks is a transport error, sent unless the task refused it', () => {
  expect(outcomeOf(ended('stream', 14))).toMatchObject({ kind: 'transport-error', sent: true })
  expect(outcomeOf(ended('stream', 14, { rstCode: 7 }))).toMatchObject({
    kind: 'transport-error',
    sent: false,
  })
  expect(outcomeOf(ended('stream', 13, { rstCode: 2 }))).toMatchObject({
    kind: 'transport-error',
    sent: true,
  })
  // ENHANCE_YOUR_CALM
  expect(outcomeOf(ended('stream', 8, { rstCode: 11 }))).toMatchObject({ kind: 'response', status: 429 })
})

test('a deadline is the task’s fault, a cancelled call and errors of this process are not', () => {
  expect(outcomeOf(ended('caller', 4))).toMatchObject({ kind: 'timeout', phase: 'headers', latencyMs: 7 })
  expect(outcomeOf(ended('caller', 4, { isAnswered: true }))).toMatchObject({ phase: 'body' })
  expect(outcomeOf(ended('caller', 1))).toEqual({ kind: 'cancelled', latencyMs: 7 })
  expect(outcomeOf(ended('caller', 13))).toMatchObject({ kind: 'cancelled', latencyMs: 0 })
})

import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import type { Classification } from '../../../../src/core/classification.ts'
import type { Outcome } from '../../../../src/core/outcome.ts'
import { fullJitter } from '../../../../src/core/async/jitter.ts'
import { isIdempotent } from '../../../../src/dispatch/request/idempotence.ts'
import { mayRetry, retryAfterMs, type NextPlace } from '../../../../src/dispatch/retry/policy.ts'

const error = new Error('broken')
const outcomes = {
  refused: { kind: 'connect-error', error },
  connectTimeout: { kind: 'timeout', phase: 'connect', latencyMs: 1_000, error },
  headersTimeout: { kind: 'timeout', phase: 'headers', latencyMs: 1_000, error },
  bodyTimeout: { kind: 'timeout', phase: 'body', latencyMs: 1_000, error },
  reset: { kind: 'transport-error', error, sent: true },
  ownReset: { kind: 'transport-error', error, sent: true, ownFault: true },
  unsent: { kind: 'transport-error', error, sent: false },
  cancelled: { kind: 'cancelled', latencyMs: 5 },
  ok: { kind: 'response', status: 200, latencyMs: 5, retryAfterMs: undefined },
  notFound: { kind: 'response', status: 404, latencyMs: 5, retryAfterMs: undefined },
  failed: { kind: 'response', status: 500, latencyMs: 5, retryAfterMs: undefined },
  badGateway: { kind: 'response', status: 502, latencyMs: 5, retryAfterMs: undefined },
  unavailable: { kind: 'response', status: 503, latencyMs: 5, retryAfterMs: undefined },
  gatewayTimeout: { kind: 'response', status: 504, latencyMs: 5, retryAfterMs: undefined },
  requestTimeout: { kind: 'response', status: 408, latencyMs: 5, retryAfterMs: undefined },
  expired: { kind: 'response', status: 408, latencyMs: 5, retryAfterMs: undefined, connectionExpired: true },
  tooMany: { kind: 'response', status: 429, latencyMs: 5, retryAfterMs: undefined },
} satisfies Record<string, Outcome>

function request(idempotent: boolean): {
  method: string
  path: string
  idempotent: boolean
  attempts: number
} {
  return { method: idempotent ? 'GET' : 'POST', path: '/', idempotent, attempts: 1 }
}

function retried(idempotent: boolean, place: NextPlace = 'elsewhere'): string[] {
  return Object.entries(outcomes)
    .filter(([, outcome]) => mayRetry(outcome, request(idempotent), place, undefined))
    .map(([name]) => name)
}

describe('the retry policy', () => {
  test('what nothing was sent of is retried with any method', () => {
    expect(retried(false)).toEqual(['refused', 'connectTimeout', 'unsent', 'tooMany'])
  })

  test('idempotent calls are also retried after resets, header timeouts, 502, 503, 504, and 408 of old connections', () => {
    expect(retried(true)).toEqual([
      ...['refused', 'connectTimeout', 'headersTimeout', 'reset', 'ownReset', 'unsent'],
      ...['badGateway', 'unavailable', 'gatewayTimeout', 'expired', 'tooMany'],
    ])
  })

  test('nothing is retried where all would end alike', () => {
    expect(retried(true, 'nowhere')).toEqual([])
  })

  test('a classified response is retried as its classification says, whatever its status', () => {
    const allowed = (classified: Classification, idempotent: boolean, place: NextPlace): boolean => {
      const outcome = { ...outcomes.unavailable, classified }
      return mayRetry(outcome, request(idempotent), place, undefined)
    }
    const rows = (['success', 'failure', 'unavailable', 'overloaded', 'ignored'] as const).flatMap((kind) =>
      ([undefined, 'never', 'idempotent', 'any'] as const).map((retry) => ({ kind, retry })),
    )
    const retriedBy = (idempotent: boolean, place: NextPlace): string[] =>
      rows.filter((row) => allowed(row, idempotent, place)).map(({ kind, retry }) => `${kind} ${retry}`)
    const kinds = ['success', 'failure', 'unavailable', 'overloaded', 'ignored']
    expect(retriedBy(false, 'elsewhere')).toEqual(kinds.map((kind) => `${kind} any`))
    expect(retriedBy(true, 'elsewhere')).toEqual(
      kinds.flatMap((kind) => [`${kind} idempotent`, `${kind} any`]),
    )
    // A task that refuses calls is not asked again.
    expect(retriedBy(true, 'again')).not.toContain('overloaded any')
    expect(retriedBy(true, 'again')).toHaveLength(8)
    expect(retriedBy(true, 'nowhere')).toEqual([])
  })

  test('429 is not asked again of the same task', () => {
    expect(retried(true, 'again')).not.toContain('tooMany')
  })

  test('the user has the last word, or leaves it', () => {
    const on = (outcome: Outcome): boolean | undefined =>
      outcome.kind === 'response' ? outcome.status === 500 : undefined
    expect(mayRetry(outcomes.failed, request(false), 'elsewhere', on)).toBe(true)
    expect(mayRetry(outcomes.unavailable, request(true), 'elsewhere', on)).toBe(false)
    expect(mayRetry(outcomes.refused, request(false), 'elsewhere', on)).toBe(true)
  })

  test.each([
    ['a promise', () => Promise.resolve(true), 'a promise'],
    ['a promise that rejects', () => Promise.reject(new Error('nobody hears this')), 'a promise'],
    ['a promise of another realm', () => runInNewContext('Promise.resolve(true)'), 'a promise'],
    ['a number', () => 1, '1'],
    ['a string', () => 'yes', '"yes"'],
    ['an empty string', () => '', '""'],
    ['an object', () => ({}), '{}'],
  ])('a rule that returns %s is refused', (_name, on, given) => {
    expect(() => mayRetry(outcomes.refused, request(true), 'elsewhere', on as never)).toThrow(
      `[ONEHOP_INVALID_OPTIONS] retry.on: got ${given}; allowed: a function that returns true, false or undefined at once`,
    )
  })

  test('a rule that returns null leaves it', () => {
    expect(mayRetry(outcomes.refused, request(false), 'elsewhere', () => null as never)).toBe(true)
    expect(mayRetry(outcomes.reset, request(false), 'elsewhere', () => null as never)).toBe(false)
  })

  test('idempotent methods are those of RFC 9110, and QUERY', () => {
    expect(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'TRACE', 'QUERY'].every(isIdempotent)).toBe(true)
    expect(['POST', 'PATCH', 'CONNECT'].some(isIdempotent)).toBe(false)
  })

  test('Retry-After is read as seconds or as a date', () => {
    expect(retryAfterMs('2')).toBe(2_000)
    expect(retryAfterMs(['3', '4'])).toBe(3_000)
    expect(retryAfterMs(undefined)).toBeUndefined()
    expect(retryAfterMs('soon')).toBeUndefined()
    expect(retryAfterMs('Wed, 21 Oct 2015 07:28:00 GMT')).toBe(0)
    const [begunAt, date] = [Date.now(), new Date(Date.now() + 60_000).toUTCString()]
    const inAMinute = retryAfterMs(date)
    expect(inAMinute).toBeGreaterThanOrEqual(Date.parse(date) - Date.now())
    expect(inAMinute).toBeLessThanOrEqual(Date.parse(date) - begunAt)
  })

  test('backoff is anything up to a step that doubles to its cap', () => {
    const most = { next: () => 0.999999 }
    expect([1, 2, 3, 4, 5, 6].map((retry) => Math.round(fullJitter(retry, 25, 250, most)))).toEqual([
      25, 50, 100, 200, 250, 250,
    ])
    expect(fullJitter(3, 25, 250, { next: () => 0 })).toBe(0)
  })
})

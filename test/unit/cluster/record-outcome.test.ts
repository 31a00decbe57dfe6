import { describe, expect, test } from 'vitest'
import { recordOutcome } from '../../../src/cluster/record-outcome.ts'
import { Upstream } from '../../../src/cluster/upstream.ts'
import type { Outcome } from '../../../src/core/outcome.ts'
import { taskEndpoint } from '../../../src/discovery/endpoint.ts'
import { answered } from '../../support/clusters.ts'
import { finish } from '../../support/upstreams.ts'

function call(upstream: Upstream, status: number, latencyMs: number, now: number): void {
  upstream.begin(now)
  recordOutcome(upstream, answered(status, latencyMs), now, undefined)
  finish(upstream, now)
}

describe('the latency estimate', () => {
  test("ignores slow latencies of a client's first two calls: connections are opened, caches are cold", () => {
    const upstream = new Upstream(taskEndpoint('10.0.0.1', { port: 80 }), 80, 5, 0)
    call(upstream, 200, 80, 100)
    call(upstream, 200, 60, 200)
    expect(upstream.latencyMs(200)).toBeCloseTo(5)
    call(upstream, 200, 80, 300)
    expect(upstream.latencyMs(300)).toBe(80)
  })

  test('counts the first two calls if they are fast or fail', () => {
    const upstream = new Upstream(taskEndpoint('10.0.0.1', { port: 80 }), 80, 50, 0)
    call(upstream, 200, 5, 10_000)
    expect(upstream.latencyMs(10_000)).toBeLessThan(50)
    call(upstream, 503, 1, 10_000)
    expect(upstream.latencyMs(10_000)).toBe(1_000)
  })
})

describe('a classified response', () => {
  const start = 60_000
  /** Latency and failures after a warm upstream of 10 ms had this response, of status 200 and 2 ms. */
  function after(more: Partial<Outcome & { kind: 'response' }>): { latencyMs: number; failures: number } {
    const upstream = new Upstream(taskEndpoint('10.0.0.1', { port: 80 }), 80, 10, 0)
    for (let index = 0; index < 5; index++) call(upstream, 200, 10, start)
    upstream.begin(start)
    recordOutcome(upstream, { ...answered(200, 500), ...more }, start, undefined)
    finish(upstream, start)
    return { latencyMs: Math.round(upstream.latencyMs(start)), failures: upstream.failures }
  }

  test.each<[string, Partial<Outcome & { kind: 'response' }>, { latencyMs: number; failures: number }]>([
    [
      'as a success counts by its latency',
      { classified: { kind: 'success' } },
      { latencyMs: 500, failures: 0 },
    ],
    [
      'as a failure counts by its latency',
      { classified: { kind: 'failure' } },
      { latencyMs: 500, failures: 1 },
    ],
    ['as unavailable is slow', { classified: { kind: 'unavailable' } }, { latencyMs: 1_000, failures: 1 }],
    [
      'as overloaded is slow for as long as it asks for',
      { classified: { kind: 'overloaded' }, retryAfterMs: 5_000 },
      { latencyMs: 5_000, failures: 1 },
    ],
    ['as ignored does not count', { classified: { kind: 'ignored' } }, { latencyMs: 10, failures: 0 }],
    [
      'by its trailers does not count its latency again',
      { part: 'trailers' },
      { latencyMs: 10, failures: 0 },
    ],
    [
      'as a failure by its trailers counts as that alone',
      { part: 'trailers', classified: { kind: 'failure' } },
      { latencyMs: 10, failures: 1 },
    ],
    [
      'of status 503 as a success counts as that',
      { status: 503, classified: { kind: 'success' } },
      { latencyMs: 500, failures: 0 },
    ],
  ])('%s', (_what, more, expected) => {
    expect(after(more)).toEqual(expected)
  })

  test('as ignored neither readmits nor condemns a task that fails', () => {
    const upstream = new Upstream(taskEndpoint('10.0.0.1', { port: 80 }), 80, 10, 0)
    upstream.ejection.failed(start, 'status 500', 1_000, 1)
    upstream.begin(start + 2_000)
    const ignored = { ...answered(200, 5), classified: { kind: 'ignored' } } as const
    expect(recordOutcome(upstream, ignored, start + 2_000, undefined, start + 2_000, true)).toEqual({
      kind: 'none',
    })
    expect(upstream.ejection.state).toBe('ejected')
  })
})

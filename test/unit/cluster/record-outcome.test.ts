import { describe, expect, test } from 'vitest'
import { recordOutcome } from '../../../src/cluster/record-outcome.ts'
import { Upstream } from '../../../src/cluster/upstream.ts'
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

import { describe, expect, test } from 'vitest'
import { Upstream } from '../../../src/cluster/upstream.ts'
import { taskEndpoint } from '../../../src/discovery/endpoint.ts'
import { answered } from '../../support/clusters.ts'

function upstreamOf(latencyMs: number): Upstream {
  const upstream = new Upstream(taskEndpoint('10.0.0.1', { port: 80 }), 80, latencyMs, 0)
  upstream.latency.observe(latencyMs, 0)
  return upstream
}

describe('the cost of an upstream', () => {
  test('grows with its silence while calls wait: a task that hangs is noticed before a call to it ends', () => {
    const hung = upstreamOf(10)
    hung.begin(0)
    expect(hung.cost(5)).toBeCloseTo(2 * 11)
    expect(hung.cost(400)).toBeCloseTo(2 * 401)
  })

  test('counts silence from the last answer, and only while a call waits', () => {
    const busy = upstreamOf(10)
    busy.begin(0)
    busy.begin(0)
    busy.stopWaiting(answered(), 300)
    expect(busy.cost(305)).toBeLessThan(40)
    // The last one has its headers; its body goes on for a minute.
    busy.stopWaiting(answered(), 310)
    expect(busy.waiting).toBe(0)
    expect(busy.pending).toBe(2)
    expect(busy.cost(60_000)).toBeCloseTo(3 * 11)
  })

  test('does not take an aborted call for an answer', () => {
    const hung = upstreamOf(10)
    hung.begin(0)
    hung.begin(100)
    hung.stopWaiting({ kind: 'cancelled', latencyMs: 1_000 }, 1_000)
    expect(hung.cost(1_000)).toBeGreaterThan(1_000)
  })

  test('fades after a failure to that of its peers within 20 s, and is reset at readmission', () => {
    const failed = upstreamOf(30)
    failed.record(answered(503), 0)
    expect(failed.latencyMs(0)).toBe(1_000)
    expect(failed.latencyMs(20_000)).toBeLessThan(60)
    failed.record(answered(503), 20_000)
    failed.latency.reset(20_000)
    expect(failed.latencyMs(20_000)).toBe(30)
  })
})

describe('the median of the latencies', () => {
  test('is hardly moved by a few slow samples, and follows a task that stays slow', () => {
    const upstream = upstreamOf(10)
    for (let sample = 1; sample < 50; sample++) upstream.latency.observe(10, sample)
    for (let sample = 0; sample < 3; sample++) upstream.latency.observe(500, 50)
    expect(upstream.expectedMs(50)).toBe(501)
    expect(upstream.medianMs(50)).toBeLessThan(16)
    for (let sample = 0; sample < 50; sample++) upstream.latency.observe(100, 51 + sample)
    expect(upstream.medianMs(100)).toBeGreaterThan(90)
    expect(upstream.medianMs(100)).toBeLessThan(112)
  })

  test('is unknown after two samples, unless the task is silent or has failed', () => {
    const upstream = upstreamOf(10)
    upstream.latency.observe(10, 1)
    expect(upstream.medianMs(1)).toBe(0)
    upstream.begin(1)
    expect(upstream.medianMs(301)).toBe(301)
    upstream.stopWaiting(answered(503), 301)
    upstream.record(answered(503), 301)
    expect(upstream.medianMs(301)).toBe(1_001)
    upstream.latency.reset(301)
    expect(upstream.medianMs(301)).toBe(0)
  })

  test('drifts to what the peers take while there are no samples', () => {
    const upstream = upstreamOf(10)
    for (let sample = 0; sample < 60; sample++) upstream.latency.observe(1_000, sample)
    expect(upstream.medianMs(60)).toBeGreaterThan(800)
    expect(upstream.medianMs(60_000)).toBeLessThan(20)
  })
})

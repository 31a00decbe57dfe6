import { describe, expect, test } from 'vitest'
import { Upstream } from '../../src/cluster/upstream.ts'
import { taskEndpoint } from '../../src/discovery/endpoint.ts'

function upstreamOf(latencyMs: number): Upstream {
  const upstream = new Upstream(taskEndpoint('10.0.0.1', { port: 80 }), 80, latencyMs, 0)
  upstream.observe(latencyMs, 0)
  return upstream
}

describe('the cost of an upstream', () => {
  test('grows with its silence while calls wait, so that one that hangs is noticed before a call to it ends', () => {
    const hung = upstreamOf(10)
    hung.began(0)
    expect(hung.cost(5)).toBeCloseTo(2 * 11)
    expect(hung.cost(400)).toBeCloseTo(2 * 401)
  })

  test('counts silence from the last answer, and not where nothing waits for one', () => {
    const busy = upstreamOf(10)
    busy.began(0)
    busy.began(0)
    busy.waited(true, 300)
    expect(busy.cost(305)).toBeLessThan(40)
    // The last one has its headers; its body goes on for a minute.
    busy.waited(true, 310)
    expect(busy.waiting).toBe(0)
    expect(busy.pending).toBe(2)
    expect(busy.cost(60_000)).toBeCloseTo(3 * 11)
  })

  test('hears no answer in a call that was given up', () => {
    const hung = upstreamOf(10)
    hung.began(0)
    hung.began(100)
    hung.waited(false, 1_000)
    expect(hung.cost(1_000)).toBeGreaterThan(1_000)
  })

  test('after a failure fades to that of its peers within 20 s, and is forgotten when it is back', () => {
    const failed = upstreamOf(30)
    failed.penalise(1_000, 0)
    expect(failed.latencyMs(0)).toBe(1_000)
    expect(failed.latencyMs(20_000)).toBeLessThan(60)
    failed.penalise(1_000, 20_000)
    failed.startAfresh(20_000)
    expect(failed.latencyMs(20_000)).toBe(30)
  })
})

describe('what an upstream usually takes', () => {
  test('is not moved by a slow sample or a few, and follows what stays slow', () => {
    const upstream = upstreamOf(10)
    for (let sample = 1; sample < 50; sample++) upstream.observe(10, sample)
    for (let sample = 0; sample < 3; sample++) upstream.observe(500, 50)
    expect(upstream.expectedMs(50)).toBe(501)
    expect(upstream.usuallyMs(50)).toBeLessThan(16)
    for (let sample = 0; sample < 50; sample++) upstream.observe(100, 51 + sample)
    expect(upstream.usuallyMs(100)).toBeGreaterThan(90)
    expect(upstream.usuallyMs(100)).toBeLessThan(112)
  })

  test('is not known of two samples, unless it is silent, or fails', () => {
    const upstream = upstreamOf(10)
    upstream.observe(10, 1)
    expect(upstream.usuallyMs(1)).toBe(0)
    upstream.began(1)
    expect(upstream.usuallyMs(301)).toBe(301)
    upstream.waited(true, 301)
    upstream.penalise(1_000, 301)
    expect(upstream.usuallyMs(301)).toBe(1_001)
    upstream.startAfresh(301)
    expect(upstream.usuallyMs(301)).toBe(0)
  })

  test('drifts to what its peers take while nothing is known', () => {
    const upstream = upstreamOf(10)
    for (let sample = 0; sample < 3; sample++) upstream.observe(1_000, 0)
    for (let sample = 0; sample < 50; sample++) upstream.observe(1_000, sample)
    expect(upstream.usuallyMs(50)).toBeGreaterThan(800)
    expect(upstream.usuallyMs(60_000)).toBeLessThan(20)
  })
})

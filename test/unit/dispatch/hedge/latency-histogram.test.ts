import { expect, test } from 'vitest'
import { LatencyHistogram } from '../../../../src/dispatch/hedge/latency-histogram.ts'

test('gives the latency that a share of the calls did not exceed, to 5 %', () => {
  const window = new LatencyHistogram(0)
  for (let ms = 1; ms <= 1_000; ms++) window.observe(ms, 0)
  for (const share of [0.5, 0.9, 0.95, 0.99]) {
    const told = window.quantile(share, 0)
    expect(told).toBeGreaterThanOrEqual(1_000 * share)
    expect(told).toBeLessThan(1_000 * share * 1.05)
  }
})

test('forgets what is older than 30 s, and nothing that is younger than 20', () => {
  const window = new LatencyHistogram(0)
  window.observe(500, 9_999)
  window.observe(5, 15_000)
  expect(window.count(29_999)).toBe(2)
  expect(window.count(30_000)).toBe(1)
  expect(window.quantile(1, 30_000)).toBeLessThan(5.25)
  expect(window.count(40_000)).toBe(0)
  expect(window.quantile(0.95, 40_000)).toBe(0)
})

test('is empty after any pause, and takes what is absurd', () => {
  const window = new LatencyHistogram(0)
  window.observe(1, 0)
  window.observe(0, 1_000_003)
  window.observe(-1, 1_000_003)
  window.observe(1e12, 1_000_003)
  expect(window.count(1_000_003)).toBe(3)
  expect(window.quantile(0.5, 1_000_003)).toBeLessThan(0.2)
  expect(window.quantile(1, 1_000_003)).toBeGreaterThan(100_000)
})

import { describe, expect, test } from 'vitest'
import { PeakEwma } from '../../../src/cluster/peak-ewma.ts'

const TAU = 10_000

describe('peak EWMA', () => {
  test('takes the first sample as it is if nothing was known', () => {
    const latency = new PeakEwma(0, 0)
    latency.observe(5, 0, 0, TAU)
    expect(latency.estimate(0, 0, TAU)).toBe(5)
  })

  test('jumps to a sample above the estimate at once', () => {
    const latency = new PeakEwma(10, 0)
    latency.observe(500, 100, 10, TAU)
    expect(latency.estimate(100, 10, TAU)).toBe(500)
  })

  test('falls by e^(-dt/tau) for samples below', () => {
    const latency = new PeakEwma(0, 0)
    latency.observe(100, 0, 0, TAU)
    // One tau later, with peers at 100 too: 100 * e^-1 + 10 * (1 - e^-1).
    latency.observe(10, TAU, 100, TAU)
    expect(latency.estimate(TAU, 100, TAU)).toBeCloseTo(100 * Math.exp(-1) + 10 * (1 - Math.exp(-1)), 9)
  })

  test('without samples, a high estimate drifts down to that of its peers', () => {
    const latency = new PeakEwma(0, 0)
    latency.observe(2_000, 0, 20, TAU)
    expect(latency.estimate(TAU, 20, TAU)).toBeCloseTo(20 + 1_980 * Math.exp(-1), 9)
    expect(latency.estimate(20 * TAU, 20, TAU)).toBeCloseTo(20, 3)
  })

  test('without samples, a low estimate drifts up to that of its peers, not to zero', () => {
    const latency = new PeakEwma(0, 0)
    latency.observe(1, 0, 20, TAU)
    expect(latency.estimate(20 * TAU, 20, TAU)).toBeCloseTo(20, 3)
  })

  test('reading changes nothing', () => {
    const latency = new PeakEwma(0, 0)
    latency.observe(100, 0, 50, TAU)
    latency.estimate(5_000, 50, TAU)
    expect(latency.estimate(0, 50, TAU)).toBe(100)
  })
})

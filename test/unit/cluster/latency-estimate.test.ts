import { describe, expect, test } from 'vitest'
import { LatencyEstimate } from '../../../src/cluster/latency-estimate.ts'

const TAU = 10_000

describe('peak EWMA', () => {
  test('takes the first sample as it is if nothing was known', () => {
    const latency = new LatencyEstimate(0, 0)
    latency.observe(5, 0)
    expect(latency.ms(0)).toBe(5)
  })

  test('jumps to a sample above the estimate at once', () => {
    const latency = new LatencyEstimate(10, 0)
    latency.observe(500, 100)
    expect(latency.ms(100)).toBe(500)
  })

  test('falls by e^(-dt/tau) for samples below', () => {
    const latency = new LatencyEstimate(0, 0)
    latency.observe(100, 0)
    // One tau later, with peers at 100 too: 100 * e^-1 + 10 * (1 - e^-1).
    latency.updatePeers(100)
    latency.observe(10, TAU)
    expect(latency.ms(TAU)).toBeCloseTo(100 * Math.exp(-1) + 10 * (1 - Math.exp(-1)), 9)
  })

  test('without samples, a high estimate drifts down to that of its peers', () => {
    const latency = new LatencyEstimate(0, 0)
    latency.updatePeers(20)
    latency.observe(2_000, 0)
    expect(latency.ms(TAU)).toBeCloseTo(20 + 1_980 * Math.exp(-1), 9)
    expect(latency.ms(20 * TAU)).toBeCloseTo(20, 3)
  })

  test('without samples, a low estimate drifts up to that of its peers, not to zero', () => {
    const latency = new LatencyEstimate(0, 0)
    latency.updatePeers(20)
    latency.observe(1, 0)
    expect(latency.ms(20 * TAU)).toBeCloseTo(20, 3)
  })

  test('reading changes nothing', () => {
    const latency = new LatencyEstimate(0, 0)
    latency.updatePeers(50)
    latency.observe(100, 0)
    latency.ms(5_000)
    expect(latency.ms(0)).toBe(100)
  })
})

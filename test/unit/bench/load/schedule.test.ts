import { expect, test } from 'vitest'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { scheduleOf } from '../../../../src/bench/load/schedule.ts'

const options = { perSecond: 300, durationMs: 60_000, arms: 3 }

test('constant arrivals are evenly spaced, and do not drift', () => {
  const { dueMs } = scheduleOf({ ...options, arrivals: 'constant' }, seededRandom(1))
  expect(dueMs.length).toBe(18_000)
  expect(dueMs[0]).toBe(0)
  expect(dueMs[17_997]).toBe(59_990)
})

test('poisson arrivals come at random, as many as asked for', () => {
  const { dueMs } = scheduleOf({ ...options, arrivals: 'poisson' }, seededRandom(1))
  // Three standard deviations of a Poisson count.
  expect(Math.abs(dueMs.length - 18_000)).toBeLessThan(3 * Math.sqrt(18_000))
  const gaps = Array.from(dueMs.slice(1), (due, index) => due - (dueMs[index] ?? 0))
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  const variance = gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length
  // Of an exponential distribution, the deviation is the mean.
  expect(Math.sqrt(variance) / mean).toBeCloseTo(1, 1)
  expect(gaps.every((gap) => gap >= 0)).toBe(true)
})

test('each arm gets its part at random, the same for the same seed', () => {
  const of = (seed: number): Uint8Array =>
    scheduleOf({ ...options, arrivals: 'constant' }, seededRandom(seed)).arm
  expect(of(1)).toEqual(of(1))
  expect(of(1)).not.toEqual(of(2))
  for (const arm of [0, 1, 2])
    expect(of(1).filter((one) => one === arm).length / 18_000).toBeCloseTo(1 / 3, 1)
})

test('the rate rises from 0 during the ramp, and is the full one after it', () => {
  const { dueMs } = scheduleOf({ ...options, arrivals: 'constant', rampMs: 10_000 }, seededRandom(1))
  const within = (from: number, to: number): number => dueMs.filter((due) => due >= from && due < to).length
  // A tenth of a ramp of 10 s has 1, 3, 5, ... hundredths of the 1,500 calls.
  expect([within(0, 1_000), within(1_000, 2_000), within(9_000, 10_000)]).toEqual([15, 45, 285])
  expect(within(10_000, 11_000)).toBe(300)
  expect(dueMs.length).toBe(16_500)
})

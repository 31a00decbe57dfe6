import { expect, test } from 'vitest'
import {
  hasEnoughSamples,
  percentileName,
  percentileOf,
  samplesFor,
} from '../../../../src/bench/statistics/percentiles.ts'

const thousand = Float64Array.from({ length: 1_000 }, (_, index) => index + 1)

test('a percentile is the smallest value with that share at or below it', () => {
  expect([0, 0.5, 0.9, 0.99, 0.999, 1].map((share) => percentileOf(thousand, share))).toEqual([
    1, 500, 900, 990, 999, 1_000,
  ])
  expect(percentileOf([7], 0.999)).toBe(7)
  expect(percentileOf([], 0.5)).toBeNaN()
})

test('a percentile needs 100 samples beyond it', () => {
  expect([0.5, 0.9, 0.99, 0.999].map(samplesFor)).toEqual([200, 1_000, 10_000, 100_000])
  expect(hasEnoughSamples(9_999, 0.99)).toBe(false)
  expect(hasEnoughSamples(10_000, 0.99)).toBe(true)
})

test('percentiles have the names that people know', () => {
  expect([0.5, 0.9, 0.99, 0.999].map(percentileName)).toEqual(['p50', 'p90', 'p99', 'p99.9'])
})

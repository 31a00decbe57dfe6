import { expect, test } from 'vitest'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { MIN_BLOCKS, Resampled, type ArmSamples } from '../../../../src/bench/statistics/bootstrap.ts'
import { normalCdf, studentT975 } from '../../../../src/bench/statistics/student.ts'

function samples(blocks: readonly (readonly number[])[]): ArmSamples {
  return {
    values: Float64Array.from(blocks.flat()),
    blocks: Uint32Array.from(blocks.flatMap((values, block) => values.map(() => block))),
  }
}

const perBlock = Array.from({ length: 20 }, (_, block) => [block, block + 0.25, block + 0.5])

test('what was measured does not depend on the resamples', () => {
  const resampled = new Resampled([samples(perBlock)], 20, [0.5], seededRandom(1))
  expect(resampled.percentile(0, 0.5)).toBe(9.5)
})

test('a slow second that meets both arms is not in their difference', () => {
  const slower = perBlock.map((values) => values.map((value) => value + 1))
  const resampled = new Resampled([samples(perBlock), samples(slower)], 20, [0.5, 0.9], seededRandom(1))
  // The seconds differ by 19 ms, and each arm by itself is uncertain by several.
  const alone = resampled.interval(0, 0.5)
  expect((alone?.high ?? 0) - (alone?.low ?? 0)).toBeGreaterThan(4)
  for (const share of [0.5, 0.9]) {
    const difference = resampled.difference(1, 0, share)
    expect(difference?.low).toBeCloseTo(1, 9)
    expect(difference?.high).toBeCloseTo(1, 9)
  }
})

test('the same seed gives the same intervals, another seed nearly the same', () => {
  const of = (seed: number): unknown =>
    new Resampled([samples(perBlock)], 20, [0.5], seededRandom(seed)).interval(0, 0.5)
  expect(of(1)).toEqual(of(1))
  expect(of(2)).not.toBe(undefined)
})

test('there is no interval from few blocks, or for an arm that some blocks lack', () => {
  const few = perBlock.slice(0, MIN_BLOCKS - 1)
  expect(new Resampled([samples(few)], few.length, [0.5], seededRandom(1)).interval(0, 0.5)).toBeUndefined()
  const sparse = perBlock.map((values, block) => (block === 3 ? values : []))
  const resampled = new Resampled([samples(perBlock), samples(sparse)], 20, [0.5], seededRandom(1))
  expect(resampled.interval(1, 0.5)).toBeUndefined()
  expect(resampled.difference(1, 0, 0.5)).toBeUndefined()
  const none = new Resampled([samples([])], 0, [0.5], seededRandom(1))
  expect([none.percentile(0, 0.5), none.interval(0, 0.5)]).toEqual([Number.NaN, undefined])
})

// Tables of Fisher and Yates; the normal distribution to seven digits.
test('the distributions are those of the tables', () => {
  for (const [degrees, t] of [
    [9, 2.262],
    [29, 2.045],
    [59, 2.001],
    [1_000_000, 1.96],
  ] as const)
    expect(studentT975(degrees)).toBeCloseTo(t, 2)
  for (const [x, share] of [
    [-1.959964, 0.025],
    [0, 0.5],
    [1, 0.8413447],
  ] as const)
    expect(normalCdf(x)).toBeCloseTo(share, 6)
})

import { expect, test } from 'vitest'
import { seededRandom } from '../../../../src/core/seeded-random.ts'
import { warmUpOf } from '../../../../src/bench/statistics/warm-up.ts'

test('a warm-up is cut where it ends', () => {
  const random = seededRandom(1)
  const blocks = Array.from(
    { length: 60 },
    (_, second) => (second < 7 ? 8 - second : 1) + random.next() * 0.1,
  )
  expect(warmUpOf(blocks)).toEqual({ blocks: 7, hasSettled: true })
})

test('of a steady run little is cut', () => {
  const random = seededRandom(2)
  const cuts = Array.from(
    { length: 20 },
    () => warmUpOf(Array.from({ length: 60 }, () => random.next())).blocks,
  )
  expect(cuts.toSorted((a, b) => a - b)[10]).toBeLessThan(15)
})

test('a run that changes to its end has not settled', () => {
  const falling = Array.from({ length: 60 }, (_, second) => 60 - second)
  expect(warmUpOf(falling)).toEqual({ blocks: 30, hasSettled: false })
})

test('blocks without calls, and no blocks, do not make it fail', () => {
  expect(warmUpOf([])).toEqual({ blocks: 0, hasSettled: true })
  expect(warmUpOf([Number.NaN, 1, 1, 1]).hasSettled).toBe(true)
})

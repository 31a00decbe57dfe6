import { expect, test } from 'vitest'
import { verdictOf, type Evidence } from '../../../../src/bench/statistics/verdict.ts'

const clear: Evidence = {
  share: 0.99,
  samples: 10_000,
  difference: { low: -1.2, high: -0.8 },
  differenceMs: -1,
  control: { low: -0.1, high: 0.1 },
  latenessMs: 0.1,
  failedShare: 0,
}

test('an interval on one side of zero is a verdict', () => {
  expect(verdictOf(clear)).toEqual({ kind: 'faster' })
  const slower = { ...clear, difference: { low: 0.8, high: 1.2 }, differenceMs: 1 }
  expect(verdictOf(slower)).toEqual({ kind: 'slower' })
  expect(verdictOf({ ...clear, control: undefined })).toEqual({ kind: 'faster' })
})

test('an interval that holds zero is not', () => {
  expect(verdictOf({ ...clear, difference: { low: -0.1, high: 0.3 } })).toEqual({
    kind: 'no-difference-seen',
  })
})

test.for([
  ['too-few-samples', { samples: 9_999 }],
  ['too-few-blocks', { difference: undefined }],
  ['control-differs', { control: { low: 0.01, high: 0.1 } }],
  ['generator-late', { latenessMs: 0.34 }],
  // A third of the slowest hundredth.
  ['too-many-failures', { failedShare: 0.0034 }],
] as const)('there is no verdict: %s', ([reason, change]) => {
  expect(verdictOf({ ...clear, ...change })).toEqual({ kind: 'cannot-tell', reason })
})

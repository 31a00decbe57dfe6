import { expect, test } from 'vitest'
import { planOf } from '../../../../src/ecs/shutdown/plan.ts'

const times = {
  ...{ stopTimeoutMs: 30_000, propagationMs: 5_000, quietMs: 1_000 },
  ...{ finishMs: 10_000, closeMs: 2_000, marginMs: 1_000, isFound: true },
}

test('a registration with a TTL of 10 s fits into the default of 30 s', () => {
  expect(planOf(times, 10_000)).toEqual({
    ...{ windowMs: 15_000, wantedWindowMs: 15_000, windowEndsByMs: 17_000 },
    ...{ finishByMs: 27_000, closeByMs: 29_000, neededMs: 29_000 },
  })
})

test('the window shrinks when it does not fit; requests and onClose keep their time', () => {
  expect(planOf(times, 60_000)).toMatchObject({
    ...{ windowMs: 17_000, wantedWindowMs: 65_000, finishByMs: 27_000, closeByMs: 29_000, neededMs: 79_000 },
  })
  expect(planOf({ ...times, stopTimeoutMs: 13_000 }, 10_000)).toMatchObject({
    ...{ windowMs: 0, finishByMs: 10_000, closeByMs: 12_000 },
  })
})

test('without room for requests and onClose, all shrink alike: requests are not cut at once', () => {
  expect(planOf({ ...times, stopTimeoutMs: 6_500 }, 10_000)).toMatchObject({
    ...{ windowMs: 0, finishByMs: 5_000, closeByMs: 6_000, neededMs: 29_000 },
  })
  expect(planOf({ ...times, stopTimeoutMs: 1_300 }, 10_000)).toMatchObject({
    ...{ finishByMs: 1_000, closeByMs: 1_200 },
  })
  const none = { finishMs: 0, closeMs: 0, marginMs: 0, stopTimeoutMs: 500 }
  expect(planOf({ ...times, ...none }, 10_000)).toMatchObject({ windowMs: 500, closeByMs: 500 })
})

test('a task that is not found has no window', () => {
  expect(planOf({ ...times, isFound: false }, 10_000)).toMatchObject({
    ...{ windowMs: 0, windowEndsByMs: 0, neededMs: 13_000 },
  })
})

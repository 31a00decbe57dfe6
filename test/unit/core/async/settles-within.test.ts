import { expect, test } from 'vitest'
import { settlesWithin } from '../../../../src/core/async/settles-within.ts'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'

const never = new Promise<void>(() => undefined)

test('work that goes on when the time is over has not settled', async () => {
  const clock = manualClock()
  const result = settlesWithin(clock, 100, never)
  await clock.advance(100)
  expect(await result).toBe(false)
})

test.each([
  ['resolves', () => Promise.resolve()],
  ['rejects', () => Promise.reject(new Error('failed'))],
])('work that %s in time has settled, and leaves no timer', async (_how, work) => {
  const clock = manualClock()
  expect(await settlesWithin(clock, 100, work())).toBe(true)
  expect(clock.pendingTimers).toBe(0)
})

test('work counts that was done while this process was busy, although the timer fires first', async () => {
  const clock = manualClock()
  const afterIo: (() => void)[] = []
  const busy = { ...clock, afterIo: (callback: () => void) => void afterIo.push(callback) }
  const work = Promise.withResolvers<void>()
  const result = settlesWithin(busy, 100, work.promise)
  await clock.advance(100)
  work.resolve()
  expect(await result).toBe(true)
  expect(afterIo).toHaveLength(1)
})

import { expect, test } from 'vitest'
import { inSteps } from '../../../../src/core/async/in-steps.ts'
import type { Clock } from '../../../../src/core/clock.ts'

/** A clock whose timers end when the test says so, however late. */
function lateClock() {
  const timers: { readonly delayMs: number; readonly awaited: boolean | undefined; end(): void }[] = []
  const clock: Clock = {
    now: () => 0,
    setTimer(callback, delayMs, awaited) {
      let isCancelled = false
      timers.push({ delayMs, awaited, end: () => void (isCancelled || callback()) })
      return { cancel: () => (isCancelled = true) }
    },
    afterIo: (callback) => callback(),
  }
  return { clock: inSteps(clock), timers }
}

test('a limit is as many steps as it has, however late each of them ends', () => {
  const { clock, timers } = lateClock()
  let isOver = false
  clock.setTimer(() => (isOver = true), 250, true)
  for (const stepMs of [100, 100, 50]) {
    expect(isOver).toBe(false)
    expect(timers.at(-1)).toMatchObject({ delayMs: stepMs, awaited: true })
    timers.at(-1)?.end()
  }
  expect(isOver).toBe(true)
  expect(timers).toHaveLength(3)
})

test('it can be cancelled in any step', () => {
  const { clock, timers } = lateClock()
  let isOver = false
  const timer = clock.setTimer(() => (isOver = true), 150)
  timers[0]?.end()
  timer.cancel()
  timers[1]?.end()
  expect(isOver).toBe(false)
})

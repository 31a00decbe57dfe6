import fc from 'fast-check'
import { manualClock } from 'onehop/testing'
import { expect, test } from 'vitest'
import { TimeLimit, type Limited } from '../../../../src/dispatch/call/time-limit.ts'

class Attempt implements Limited {
  limit: TimeLimit | undefined
  dueAt = 0
  earlier: Limited | undefined
  later: Limited | undefined
  readonly #onExceed: () => void

  constructor(onExceed: () => void) {
    this.#onExceed = onExceed
  }

  exceed(): void {
    this.#onExceed()
  }
}

test('each attempt is ended at its own time, exactly, whichever others begin and end meanwhile', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          beginsAfterMs: fc.nat({ max: 60 }),
          takesMs: fc.option(fc.integer({ min: 0, max: 99 })),
        }),
        { minLength: 1, maxLength: 20 },
      ),
      async (attempts) => {
        const clock = manualClock(1_000)
        const limit = new TimeLimit(clock, 100)
        const ended: (number | undefined)[] = []
        const begun: number[] = []
        for (const [index, { beginsAfterMs, takesMs }] of attempts.entries()) {
          await clock.advance(beginsAfterMs)
          begun.push(clock.now())
          const attempt = new Attempt(() => (ended[index] = clock.now()))
          limit.start(attempt, clock.now())
          if (takesMs !== null) clock.setTimer(() => limit.stop(attempt), takesMs)
        }
        await clock.advance(200)
        const due = attempts.map(({ takesMs }, index) =>
          takesMs === null ? (begun[index] ?? Number.NaN) + 100 : undefined,
        )
        expect(attempts.map((_, index) => ended[index])).toEqual(due)
        expect(clock.pendingTimers).toBe(0)
      },
    ),
    { numRuns: 50 },
  )
})

test('one timer serves all attempts, and close() frees it', async () => {
  const clock = manualClock()
  const limit = new TimeLimit(clock, 100)
  for (let attempt = 0; attempt < 10; attempt++) limit.start(new Attempt(() => undefined), clock.now())
  expect(clock.pendingTimers).toBe(1)
  limit.close()
  expect(clock.pendingTimers).toBe(0)
})

test('stopping what was never started, or twice, does nothing', async () => {
  const clock = manualClock()
  const limit = new TimeLimit(clock, 100)
  let exceeded = 0
  const [first, second] = [new Attempt(() => exceeded++), new Attempt(() => exceeded++)]
  limit.stop(first)
  limit.start(first, clock.now())
  limit.start(second, clock.now())
  limit.stop(first)
  limit.stop(first)
  await clock.advance(100)
  expect(exceeded).toBe(1)
})

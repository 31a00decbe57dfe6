import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RollingWindow } from '../../../src/core/rolling-window.ts'

const SLOT_MS = 10
const SLOTS = 5
const COUNTERS = 3

interface Event {
  readonly at: number
  readonly counter: number
}

const steps = fc.array(
  fc.record({ afterMs: fc.integer({ min: 0, max: 80 }), counter: fc.nat({ max: COUNTERS - 1 }) }),
  { maxLength: 100 },
)

/** Events of the current slot and of the four before it. */
function recent(events: readonly Event[], counter: number, now: number, from: number): number {
  const oldest = from + (Math.floor((now - from) / SLOT_MS) - (SLOTS - 1)) * SLOT_MS
  return events.filter((event) => event.counter === counter && event.at >= oldest).length
}

test('property: counts the events of the window, to the slot', () => {
  fc.assert(
    fc.property(steps, fc.integer({ min: 0, max: 1_000 }), (taken, from) => {
      const window = new RollingWindow(SLOTS, SLOT_MS, COUNTERS, from)
      const events: Event[] = []
      let now = from
      for (const { afterMs, counter } of taken) {
        now += afterMs
        window.add(counter, now)
        events.push({ at: now, counter })
        for (let each = 0; each < COUNTERS; each++)
          expect(window.total(each, now)).toBe(recent(events, each, now, from))
        expect(Array.from(window.totals(now))).toEqual(
          Array.from({ length: COUNTERS }, (_, each) => recent(events, each, now, from)),
        )
      }
    }),
  )
})

test('property: what is subtracted leaves the counts of the others, now and later', () => {
  fc.assert(
    fc.property(steps, (taken) => {
      const all = new RollingWindow(SLOTS, SLOT_MS, COUNTERS, 0)
      const part = new RollingWindow(SLOTS, SLOT_MS, COUNTERS, 0)
      const others = new RollingWindow(SLOTS, SLOT_MS, COUNTERS, 0)
      let now = 0
      for (const [index, { afterMs, counter }] of taken.entries()) {
        now += afterMs
        all.add(counter, now)
        ;(index % 2 === 0 ? part : others).add(counter, now)
      }
      all.subtract(part, now)
      part.clear()
      for (; now < 10_000; now += 997)
        for (let counter = 0; counter < COUNTERS; counter++) {
          expect(all.total(counter, now)).toBe(others.total(counter, now))
          expect(part.total(counter, now)).toBe(0)
        }
    }),
  )
})

test('is empty after a pause of any length', () => {
  const window = new RollingWindow(SLOTS, SLOT_MS, COUNTERS, 0)
  window.add(1, 5)
  expect(window.total(1, 49)).toBe(1)
  expect(window.total(1, 1e12)).toBe(0)
})

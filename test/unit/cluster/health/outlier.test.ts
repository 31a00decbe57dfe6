import { describe, expect, test } from 'vitest'
import {
  AnswerRecord,
  DEFAULT_OUTLIER,
  OutlierDetector,
  wilson,
} from '../../../../src/cluster/health/outlier.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'

interface Fleet {
  readonly records: readonly AnswerRecord[]
  /** Why it is an outlier now; undefined if it is none or has succeeded. */
  answer(upstream: number, isGood: boolean, now?: number): string | undefined
  eject(upstream: number, now: number): void
  /** Calls without an answer. */
  underWay: number
}

function fleetOf(count: number): Fleet {
  const detector = new OutlierDetector(DEFAULT_OUTLIER, () => fleet.underWay)
  const records = Array.from({ length: count }, () => new AnswerRecord())
  const fleet: Fleet = {
    records,
    underWay: 0,
    eject(upstream, now) {
      detector.ejected(records[upstream] ?? new AnswerRecord(), now)
    },
    answer(upstream, isGood, now = 0) {
      const record = records[upstream]
      if (record === undefined) throw new Error(`no upstream ${upstream}`)
      if (!isGood) return detector.failed(record, now)
      detector.succeeded(record, now)
      return undefined
    },
  }
  return fleet
}

describe('the Wilson interval', () => {
  // Worked examples of Newcombe, "Two-sided confidence intervals for the single proportion", 1998, method 3.
  test.each([
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])('of %i in %i is known', (good, total, lower, upper) => {
    expect(wilson(good, total, -1.96)).toBeCloseTo(lower, 4)
    expect(wilson(good, total, 1.96)).toBeCloseTo(upper, 4)
  })
})

describe('an outlier', () => {
  test('is one of two tasks that fails five times in a row while the other answers', () => {
    const { answer } = fleetOf(2)
    for (let i = 0; i < 20; i++) answer(0, true)
    for (let i = 0; i < 4; i++) {
      expect(answer(1, false)).toBeUndefined()
      for (let good = 0; good < 3; good++) answer(0, true)
    }
    expect(answer(1, false)).toBe('5 failures in a row')
  })

  test('is not found by a run of failures without answers of others in the same time', () => {
    const fleet = fleetOf(2)
    const { answer } = fleet
    for (let i = 0; i < 100; i++) answer(0, true, 0)
    // They began before the run: what broke then may have broken for all.
    fleet.underWay = 8
    for (let i = 0; i < 8; i++) {
      answer(0, true, 1_001)
      expect(answer(1, false, 1_002)).toBeUndefined()
    }
  })

  test('is not found if all begin to fail at once, whichever is the first with a run of failures', () => {
    for (let seed = 0; seed < 20; seed++) {
      const fleet = fleetOf(4)
      const { answer } = fleet
      const random = seededRandom(seed)
      for (let i = 0; i < 2_000; i++) answer(Math.floor(random.next() * 4), true, i * 10)
      // Pending calls are still answered, while new ones fail at once.
      fleet.underWay = 20
      for (let i = 0; i < 1_000; i++) {
        if (i < 20) answer(Math.floor(random.next() * 4), true, 20_000 + i)
        expect(answer(Math.floor(random.next() * 4), false, 20_000 + i)).toBeUndefined()
      }
    }
  })

  test.each([
    ['less than three times that of the others', 10, 5],
    ['higher by less than 5 percentage points', 1_000, 25],
  ])('is not found if the rate is %s: failures come in bursts', (_what, everyNth, everyNthOfIts) => {
    const { answer } = fleetOf(2)
    for (let i = 1; i < 2_000; i++) {
      answer(0, i % everyNth !== 0)
      expect(answer(1, i % everyNthOfIts !== 0)).toBeUndefined()
    }
  })

  test('is not found without answers of others', () => {
    const { answer } = fleetOf(2)
    for (let i = 0; i < 9; i++) expect(answer(1, false)).toBeUndefined()
  })

  test('is not found if all fail alike, in any order', () => {
    for (const count of [2, 3, 20]) {
      const { answer } = fleetOf(count)
      const random = seededRandom(count)
      for (let i = 0; i < 5_000; i++)
        expect(answer(Math.floor(random.next() * count), false, i * 10)).toBeUndefined()
    }
  })

  test.each([0.1, 0.5, 0.9])('is hardly ever found if all fail alike, with a rate of %d', (rate) => {
    let found = 0
    for (let seed = 0; seed < 10; seed++) {
      const { answer, eject } = fleetOf(4)
      const random = seededRandom(seed)
      for (let i = 0; i < 20_000; i++) {
        const upstream = Math.floor(random.next() * 4)
        if (answer(upstream, random.next() >= rate, i * 10) === undefined) continue
        found++
        eject(upstream, i * 10)
      }
    }
    // In 200,000 answers.
    expect(found).toBeLessThanOrEqual(10)
  })

  test('is a task that fails a third of its calls while the others fail none', () => {
    const { answer } = fleetOf(3)
    const random = seededRandom(5)
    let reason: string | undefined
    let seen = 0
    while (reason === undefined && seen < 1_000) {
      seen++
      answer(0, true)
      answer(1, true)
      reason = answer(2, random.next() >= 1 / 3)
    }
    expect(reason).toMatch(/^\d+ % of its answers are good, and 100 % of its peers'$/)
    expect(seen).toBeLessThanOrEqual(40)
  })

  test('is judged by the last 30 s', () => {
    const { answer } = fleetOf(2)
    for (let i = 0; i < 100; i++) answer(1, false, 0)
    for (let i = 0; i < 100; i++) answer(0, true, 100_000)
    for (let i = 0; i < 100; i++) answer(1, true, 100_000)
    expect(answer(1, false, 100_001)).toBeUndefined()
  })

  test('that is ejected starts with an empty record, and does not count among the others', () => {
    const detector = new OutlierDetector(DEFAULT_OUTLIER, () => 0)
    const [one, other] = [new AnswerRecord(), new AnswerRecord()]
    for (let i = 0; i < 30; i++) detector.failed(one, 0)
    detector.ejected(one, 0)
    expect(Array.from(one.recent.totals(0))).toEqual([0, 0])
    for (let i = 0; i < 30; i++) detector.succeeded(one, 0)
    // If the 30 failures counted, the other would look like the rest.
    let reason: string | undefined
    for (let i = 0; i < 5; i++) {
      for (let good = 0; good < 3; good++) detector.succeeded(one, 0)
      reason = detector.failed(other, 0)
    }
    expect(reason).toBe('5 failures in a row')
  })
})

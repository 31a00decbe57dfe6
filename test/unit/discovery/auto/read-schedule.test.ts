import { describe, expect, test } from 'vitest'
import {
  ReadSchedule,
  type PaceOptions,
  type ReadResult,
} from '../../../../src/discovery/auto/read-schedule.ts'

const DNS_WATCHES: ReadResult = {
  ...{ isChange: false, isMove: false, isEmpty: false },
  ...{ isRead: true, isWatched: true },
}
const ALONE: ReadResult = { ...DNS_WATCHES, isWatched: false }
const MOVED = { isChange: true, isMove: true }
/** No jitter, and a second of the two over which reads are spread. */
const MEAN = { next: (): number => 0.5 }

/** Calls as they fall due, until `ms`; the time since the one before, in s. */
function pausesUntil(ms: number, schedule: ReadSchedule, reading: ReadResult, start = 0): number[] {
  const pauses: number[] = []
  let calledAt = start
  while (schedule.dueAt <= ms) {
    const now = schedule.dueAt
    const isRead = schedule.begin(now)
    pauses.push((now - calledAt) / 1_000)
    calledAt = now
    schedule.answered(now, { ...reading, isRead })
  }
  return pauses
}

function started(reading: ReadResult, options: PaceOptions = {}): ReadSchedule {
  const schedule = new ReadSchedule(MEAN, options)
  schedule.begin(0)
  schedule.answered(0, { ...reading, isChange: true })
  return schedule
}

test('at first the API is read at once', () => {
  const schedule = new ReadSchedule(MEAN)
  expect(schedule.dueAt).toBe(Number.NEGATIVE_INFINITY)
  expect(schedule.begin(0)).toBe(true)
  expect(schedule.dueAt).toBe(Number.POSITIVE_INFINITY)
})

describe('where DNS watches', () => {
  test('nothing happens: a full read every 5 minutes', () => {
    expect(pausesUntil(1_000_000, started(DNS_WATCHES), DNS_WATCHES)).toEqual([300, 300, 300])
  })

  test('news: a read within 2 s, and the revision every 5 s for 20 s after it', () => {
    const schedule = started(DNS_WATCHES)
    schedule.addNews(100_000, 'dns')
    expect(schedule.dueAt).toBe(101_000)
    expect(schedule.begin(101_000)).toBe(true)
    schedule.answered(101_000, { ...DNS_WATCHES, ...MOVED })
    expect(schedule.dueAt).toBe(106_000)
    expect(schedule.begin(106_000)).toBe(false)
    schedule.answered(106_000, { ...DNS_WATCHES, isRead: false })
    expect(pausesUntil(500_000, schedule, DNS_WATCHES, 106_000)).toEqual([5, 5, 5, 280])
  })

  test('a call that met a dead task: a read within half a second', () => {
    const schedule = started(DNS_WATCHES)
    schedule.addNews(100_000, 'call')
    expect(schedule.dueAt).toBe(100_250)
  })

  test('news that was a change of health is over with its read', () => {
    const schedule = started(DNS_WATCHES)
    schedule.addNews(100_000, 'dns')
    schedule.begin(101_000)
    schedule.answered(101_000, { ...DNS_WATCHES, isChange: true })
    expect(schedule.dueAt).toBe(401_000)
  })

  test('more of the same news does not draw an earlier moment', () => {
    const schedule = started(DNS_WATCHES)
    schedule.addNews(100_000, 'dns')
    schedule.addNews(99_000, 'dns')
    expect(schedule.dueAt).toBe(101_000)
  })

  test('calls that fail do not wait; but not for each of them a read', () => {
    const schedule = started(DNS_WATCHES)
    schedule.addNews(100_000, 'failing')
    expect(schedule.dueAt).toBe(100_000)
    schedule.begin(100_000)
    schedule.answered(100_000, DNS_WATCHES)
    schedule.addNews(100_001, 'failing')
    expect(schedule.dueAt).toBe(102_000)
  })

  test('news during a read is read after it', () => {
    const schedule = started(DNS_WATCHES)
    schedule.addNews(100_000, 'dns')
    schedule.begin(101_000)
    schedule.addNews(101_010, 'dns')
    schedule.answered(101_020, { ...DNS_WATCHES, ...MOVED })
    expect(schedule.dueAt).toBe(103_000)
    expect(schedule.begin(103_000)).toBe(true)
  })

  test('news that never brings anything, every second for an hour, costs a read in 5 minutes at last', () => {
    const schedule = started(DNS_WATCHES)
    const reads: number[] = []
    for (let now = 0; now < 3_600_000; now += 1_000) {
      schedule.addNews(now, 'dns')
      if (schedule.dueAt > now) continue
      schedule.begin(now)
      schedule.answered(now, DNS_WATCHES)
      reads.push(now)
    }
    expect(reads.filter((at) => at > 1_800_000)).toHaveLength(6)
    // And it is forgotten when it ends.
    pausesUntil(4_000_000, schedule, DNS_WATCHES)
    schedule.addNews(4_000_000, 'dns')
    expect(schedule.dueAt).toBe(4_001_000)
  })

  /** Calls meet a task that is dead and stays registered, every 30 s for an hour. */
  function annoyed(reading: ReadResult): ReadSchedule {
    const schedule = started(reading)
    for (let now = 0; now <= 3_600_000; now += 1_000) {
      if (now % 30_000 === 0) schedule.addNews(now, 'call')
      if (schedule.dueAt > now) continue
      const isRead = schedule.begin(now)
      schedule.answered(now, { ...reading, isRead })
    }
    return schedule
  }

  test('calls whose news never brings anything do not make that of DNS wait', () => {
    const schedule = annoyed(DNS_WATCHES)
    schedule.addNews(3_601_000, 'dns')
    expect(schedule.dueAt).toBeLessThanOrEqual(3_603_000)
  })

  test('nor those that fail: 10 s at most', () => {
    const schedule = annoyed(DNS_WATCHES)
    schedule.addNews(3_601_000, 'failing')
    expect(schedule.dueAt).toBeLessThanOrEqual(3_611_000)
  })

  test('a read that fails is made again, with backoff', () => {
    const schedule = started(DNS_WATCHES)
    schedule.addNews(100_000, 'dns')
    const pauses: number[] = []
    for (let now = 101_000, failures = 0; failures < 6; failures++) {
      expect(schedule.begin(now)).toBe(true)
      schedule.failed(now)
      pauses.push((schedule.dueAt - now) / 1_000)
      now = schedule.dueAt
    }
    expect(pauses).toEqual([2.75, 5.5, 11, 22, 33, 33])
  })
})

describe('where DNS knows nothing', () => {
  test('polls every 5 s slow down to one a minute', () => {
    const schedule = started(ALONE)
    schedule.addNews(0, 'dns')
    expect(pausesUntil(240_000, schedule, ALONE)).toEqual([2, 5, 5, 5, 5, 10, 20, 40, 60, 60])
  })

  test('and are back at 5 s with the first sign', () => {
    const schedule = started(ALONE)
    pausesUntil(1_000_000, schedule, ALONE)
    schedule.addNews(1_000_000, 'dns')
    expect(schedule.dueAt).toBe(1_001_000)
    schedule.begin(1_001_000)
    schedule.answered(1_001_000, { ...ALONE, ...MOVED })
    expect(schedule.dueAt).toBe(1_006_000)
  })

  test('a poll 30 s after the last read is a read: only that shows health', () => {
    const schedule = started(ALONE)
    expect([5_000, 29_999, 30_000].map((now) => schedule.begin(now))).toEqual([false, false, true])
  })

  test('a service without tasks is polled every 10 s', () => {
    expect(pausesUntil(60_000, started({ ...ALONE, isEmpty: true }), { ...ALONE, isEmpty: true })).toEqual([
      10, 10, 10, 10, 10, 10,
    ])
  })
})

test('fixed intervals are kept, whatever happens', () => {
  const schedule = started(DNS_WATCHES, { revisionMs: 7_000, fullReadMs: 20_000 })
  expect(pausesUntil(60_000, schedule, DNS_WATCHES)).toEqual([7, 7, 6, 7, 7, 6, 7, 7, 6])
})

test('reads that are to be more frequent than polls are', () => {
  const schedule = started(ALONE, { fullReadMs: 10_000 })
  expect(pausesUntil(60_000, schedule, ALONE)).toEqual([10, 10, 10, 10, 10, 10])
})

test('a fleet that has the same news reads over 2 s, and its full reads are 10 % apart', () => {
  const moments = [0, 0.25, 0.5, 0.75, 0.999].map((draw) => {
    const schedule = new ReadSchedule({ next: () => draw })
    schedule.begin(0)
    schedule.answered(0, DNS_WATCHES)
    const fullReadAt = schedule.dueAt
    schedule.addNews(100_000, 'dns')
    return [Math.round(fullReadAt / 1_000), schedule.dueAt - 100_000]
  })
  expect(moments).toEqual([
    [270, 0],
    [285, 500],
    [300, 1_000],
    [315, 1_500],
    [330, 1_998],
  ])
})

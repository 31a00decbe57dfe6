import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CrowdedError, QueryWindow } from '../../../../src/discovery/dns/query-window.ts'
import { manualClock, type ManualClock } from '../../../../src/testing/fakes/manual-clock.ts'

const never = new AbortController().signal
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function windowOf(places: number, clock = manualClock(), maxWaiting = 1_000): QueryWindow {
  return new QueryWindow(clock, { places, overdueMs: 100, maxOverdue: 2, maxWaiting, maxWaitMs: 5_000 })
}

/** Work that runs until it is told to end. */
function work(): { run: () => Promise<void>; end: () => void; started: boolean } {
  const { promise, resolve } = Promise.withResolvers<void>()
  const task = {
    started: false,
    end: resolve,
    run: () => {
      task.started = true
      return promise
    },
  }
  return task
}

test('beyond the places, work for known names waits in order', async () => {
  const window = windowOf(2)
  const tasks = Array.from({ length: 5 }, work)
  const done = tasks.map((task) => window.run(never, 'known', task.run))
  const started = async (): Promise<boolean[]> => {
    await turn()
    return tasks.map((task) => task.started)
  }
  expect(await started()).toEqual([true, true, false, false, false])
  tasks[1]?.end()
  expect(await started()).toEqual([true, true, true, false, false])
  tasks[0]?.end()
  expect(await started()).toEqual([true, true, true, true, false])
  for (const { end } of tasks) end()
  await Promise.all(done)
})

test('the result and the error are those of the work, and either gives the place back', async () => {
  const window = windowOf(1)
  const error = new Error('no')
  expect(await window.run(never, 'known', () => Promise.resolve(7))).toBe(7)
  await expect(window.run(never, 'known', () => Promise.reject(error))).rejects.toBe(error)
  const thrown = window.run(never, 'known', () => {
    throw error
  })
  await expect(thrown).rejects.toBe(error)
  expect(await window.run(never, 'known', () => Promise.resolve(8))).toBe(8)
})

test('an abort while waiting rejects at once, and leaves the queue', async () => {
  const window = windowOf(1)
  const [first, second, third] = [work(), work(), work()]
  const running = window.run(never, 'known', first.run)
  const abort = new AbortController()
  const reason = new Error('the caller went away')
  const given = window.run(abort.signal, 'known', second.run)
  const last = window.run(never, 'known', third.run)
  abort.abort(reason)
  await expect(given).rejects.toBe(reason)
  expect(first.started && !third.started).toBe(true)
  first.end()
  await running
  third.end()
  await last
  expect(second.started).toBe(false)
})

test('no listener stays on a signal, whether its work waited or not', async () => {
  const window = windowOf(1)
  const [first, second] = [work(), work()]
  const { signal } = new AbortController()
  const done = [window.run(signal, 'known', first.run), window.run(signal, 'known', second.run)]
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  first.end()
  second.end()
  await Promise.all(done)
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('a signal that has aborted never takes a place', async () => {
  const window = windowOf(1)
  const task = work()
  const reason = new Error('gone')
  await expect(window.run(AbortSignal.abort(reason), 'known', task.run)).rejects.toBe(reason)
  expect(task.started).toBe(false)
  expect(await window.run(never, 'known', () => Promise.resolve(1))).toBe(1)
})

test('whatever ends and aborts in whatever order: never too many, and in the end all places are free', async () => {
  const steps = fc.array(fc.record({ act: fc.constantFrom('begin', 'end', 'fail', 'abort'), at: fc.nat() }), {
    maxLength: 60,
  })
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, async (places, acts) => {
      const window = windowOf(places)
      const open: { abort: AbortController; settle: (failing: boolean) => void }[] = []
      const results: Promise<unknown>[] = []
      let running = 0
      let most = 0
      for (const { act, at } of acts) {
        const chosen = open[at % Math.max(1, open.length)]
        if (act === 'abort') chosen?.abort.abort(new Error('abort'))
        else if (act !== 'begin') chosen?.settle(act === 'fail')
        else {
          const { promise, resolve, reject } = Promise.withResolvers<void>()
          promise.catch(() => {})
          const abort = new AbortController()
          open.push({ abort, settle: (failing) => (failing ? reject(new Error('fail')) : resolve()) })
          const result = window.run(abort.signal, 'known', async () => {
            most = Math.max(most, ++running)
            await promise.finally(() => running--)
          })
          results.push(result.catch(() => {}))
        }
        if (at % 3 === 0) await turn()
      }
      for (const { settle } of open) settle(false)
      await Promise.all(results)
      expect(most).toBeLessThanOrEqual(places)
      expect(running).toBe(0)
      const after = Array.from({ length: places + 1 }, work)
      const done = after.map((task) => window.run(never, 'known', task.run))
      await turn()
      expect(after.filter(({ started }) => started)).toHaveLength(places)
      for (const { end } of after) end()
      await Promise.all(done)
    }),
    { numRuns: 200 },
  )
})

describe('where places are short', () => {
  /** What has begun, in order; the first keeps its place until it is told to end. */
  const crowded = (): {
    window: QueryWindow
    begun: string[]
    first: ReturnType<typeof work>
    clock: ManualClock
  } => {
    const clock = manualClock()
    const window = windowOf(1, clock, 3)
    const first = work()
    void window.run(never, 'new', first.run)
    return { window, begun: [], first, clock }
  }

  test('known names go first, then new ones, the newest before, then those that were silent', async () => {
    const { window, begun, first } = crowded()
    const enter = (rank: 'known' | 'new' | 'silent', name: string): Promise<unknown> =>
      window.run(never, rank, () => Promise.resolve(begun.push(name)))
    const all = [
      enter('silent', 'silent'),
      enter('new', 'older'),
      enter('new', 'newer'),
      enter('known', 'known 1'),
      enter('known', 'known 2'),
    ]
    first.end()
    await Promise.all(all)
    expect(begun).toEqual(['known 1', 'known 2', 'newer', 'older', 'silent'])
  })

  test('of more than may wait the oldest is refused, one that was silent before a new one; known ones never', async () => {
    const { window, first } = crowded()
    const refused: string[] = []
    const enter = (rank: 'known' | 'new' | 'silent', name: string): Promise<unknown> =>
      window
        .run(never, rank, () => Promise.resolve())
        .catch((error: unknown) => {
          expect(error).toBeInstanceOf(CrowdedError)
          refused.push(name)
        })
    const all = ['a', 'b'].map((name) => enter('new', name))
    all.push(enter('silent', 'c'))
    for (let i = 0; i < 5; i++) all.push(enter('known', `known ${i}`))
    await turn()
    expect(refused).toEqual([])
    all.push(enter('new', 'd'), enter('new', 'e'))
    await turn()
    expect(refused).toEqual(['c', 'a'])
    first.end()
    await Promise.all(all)
    expect(refused).toEqual(['c', 'a'])
  })

  test('work that is overdue gives its place away, as often as that is allowed', async () => {
    const { window, clock, first } = crowded()
    const tasks = [work(), work(), work()]
    const done = tasks.map((task) => window.run(never, 'known', task.run))
    const started = (): boolean[] => tasks.map((task) => task.started)
    await clock.advance(99)
    expect(started()).toEqual([false, false, false])
    await clock.advance(1)
    expect(started()).toEqual([true, false, false])
    await clock.advance(100)
    expect(started()).toEqual([true, true, false])
    // Two are overdue: the third has to wait for an end.
    await clock.advance(1_000)
    expect(started()).toEqual([true, true, false])
    first.end()
    await clock.advance(0)
    expect(started()).toEqual([true, true, true])
    for (const { end } of tasks) end()
    await Promise.all(done)
    expect(clock.pendingTimers).toBe(0)
  })

  test('no query waits for ever', async () => {
    const { window, clock } = crowded()
    for (let i = 0; i < 2; i++) void window.run(never, 'known', work().run)
    await clock.advance(200)
    const refused = window.run(never, 'known', work().run)
    const told = expect(refused).rejects.toThrow('too many names are asked for at once: 1 queries wait')
    await clock.advance(5_000)
    await told
  })

  test('one is not refused whose place came free while this process was busy, although its timer fires first', async () => {
    const clock = manualClock()
    const afterIo: (() => void)[] = []
    const busy = { ...clock, afterIo: (callback: () => void) => void afterIo.push(callback) }
    const limits = { places: 1, overdueMs: 100, maxOverdue: 0, maxWaiting: 1_000, maxWaitMs: 5_000 }
    const window = new QueryWindow(busy, limits)
    const first = work()
    const running = window.run(never, 'known', first.run)
    const waiting = window.run(never, 'known', () => Promise.resolve('asked'))
    await clock.advance(5_000)
    expect(afterIo).toHaveLength(1)
    first.end()
    await running
    for (const callback of afterIo) callback()
    expect(await waiting).toBe('asked')
  })
})

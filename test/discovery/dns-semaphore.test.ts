import { getEventListeners } from 'node:events'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Semaphore } from '../../src/discovery/dns-semaphore.ts'

const never = new AbortController().signal
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

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

test('beyond the places, work waits in order', async () => {
  const semaphore = new Semaphore(2)
  const tasks = Array.from({ length: 5 }, work)
  const done = tasks.map((task) => semaphore.run(never, task.run))
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
  const semaphore = new Semaphore(1)
  const error = new Error('no')
  expect(await semaphore.run(never, () => Promise.resolve(7))).toBe(7)
  await expect(semaphore.run(never, () => Promise.reject(error))).rejects.toBe(error)
  const thrown = semaphore.run(never, () => {
    throw error
  })
  await expect(thrown).rejects.toBe(error)
  expect(await semaphore.run(never, () => Promise.resolve(8))).toBe(8)
})

test('an abort while waiting rejects at once, and leaves the queue', async () => {
  const semaphore = new Semaphore(1)
  const [first, second, third] = [work(), work(), work()]
  const running = semaphore.run(never, first.run)
  const abort = new AbortController()
  const reason = new Error('the caller went away')
  const given = semaphore.run(abort.signal, second.run)
  const last = semaphore.run(never, third.run)
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
  const semaphore = new Semaphore(1)
  const [first, second] = [work(), work()]
  const { signal } = new AbortController()
  const done = [semaphore.run(signal, first.run), semaphore.run(signal, second.run)]
  expect(getEventListeners(signal, 'abort')).toHaveLength(1)
  first.end()
  second.end()
  await Promise.all(done)
  expect(getEventListeners(signal, 'abort')).toHaveLength(0)
})

test('a signal that has aborted never takes a place', async () => {
  const semaphore = new Semaphore(1)
  const task = work()
  const reason = new Error('gone')
  await expect(semaphore.run(AbortSignal.abort(reason), task.run)).rejects.toBe(reason)
  expect(task.started).toBe(false)
  expect(await semaphore.run(never, () => Promise.resolve(1))).toBe(1)
})

test('whatever ends and aborts in whatever order: never too many, and in the end all places are free', async () => {
  const steps = fc.array(fc.record({ act: fc.constantFrom('begin', 'end', 'fail', 'abort'), at: fc.nat() }), {
    maxLength: 60,
  })
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 4 }), steps, async (places, acts) => {
      const semaphore = new Semaphore(places)
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
          const result = semaphore.run(abort.signal, async () => {
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
      const done = after.map((task) => semaphore.run(never, task.run))
      await turn()
      expect(after.filter(({ started }) => started)).toHaveLength(places)
      for (const { end } of after) end()
      await Promise.all(done)
    }),
    { numRuns: 200 },
  )
})

import { expect, test } from 'vitest'
import { inTime } from '../../../../src/core/async/with-timeout.ts'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'

const late = (): Error => new Error('late')

test('work that ignores its signal does not hold up the promise: it rejects when the time is over', async () => {
  const clock = manualClock()
  let heard: unknown
  const result = inTime({ clock, limitMs: 100, late }, (signal) => {
    signal.addEventListener('abort', () => (heard = signal.reason))
    return new Promise(() => undefined)
  })
  const rejected = expect(result).rejects.toThrow('late')
  await clock.advance(100)
  await rejected
  expect(heard).toBeInstanceOf(Error)
})

test('the reason of the caller is passed on as it is, also by a signal that has aborted before', async () => {
  const clock = manualClock()
  const caller = new AbortController()
  const never = (): Promise<void> => new Promise(() => undefined)
  const result = inTime({ clock, limitMs: 100, signal: caller.signal, late }, never)
  caller.abort('reason')
  await expect(result).rejects.toBe('reason')
  await expect(inTime({ clock, limitMs: 100, signal: caller.signal, late }, never)).rejects.toBe('reason')
})

const works: Readonly<Record<string, () => Promise<string>>> = {
  resolves: async () => 'done',
  rejects: async () => {
    throw new Error('failed')
  },
  'throws at once': () => {
    throw new Error('failed')
  },
}

test.each(Object.entries(works))('leaves no timer when work %s', async (_how, work) => {
  const clock = manualClock()
  await inTime({ clock, limitMs: 100, late }, work).catch(() => undefined)
  expect(clock.pendingTimers).toBe(0)
})

test('an answer that has arrived while this process was busy counts, although the timer fires first', async () => {
  const clock = manualClock()
  const afterIo: (() => void)[] = []
  const busy = { ...clock, afterIo: (callback: () => void) => void afterIo.push(callback) }
  const answer = Promise.withResolvers<string>()
  let signal: AbortSignal | undefined
  const result = inTime({ clock: busy, limitMs: 100, late }, (own) => {
    signal = own
    return answer.promise
  })
  await clock.advance(100)
  answer.resolve('the answer')
  expect(await result).toBe('the answer')
  for (const callback of afterIo) callback()
  expect(afterIo).toHaveLength(1)
  expect(signal?.aborted).toBe(false)
})

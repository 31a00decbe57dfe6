import { manualClock, type ManualClock } from 'onehop/testing'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../../src/core/clock.ts'
import { SignalWatch } from '../../../../src/ecs/shutdown/signals.ts'

let clock: ManualClock
let seen: string[]

beforeEach(() => {
  clock = manualClock()
  seen = []
  const watch = new SignalWatch(['SIGUSR2'], true, clock, {
    first: (signal) => void seen.push(`first ${signal}`),
    second: () => void seen.push('second'),
  })
  onTestFinished(() => watch.end())
})

test('a signal that npm passes on counts once', async () => {
  process.emit('SIGUSR2', 'SIGUSR2')
  await clock.advance(49)
  process.emit('SIGUSR2', 'SIGUSR2')
  expect(seen).toEqual(['first SIGUSR2'])
})

test('a key that is held down counts as more than one signal', async () => {
  for (let count = 0; count < 3; count++) {
    process.emit('SIGUSR2', 'SIGUSR2')
    await clock.advance(30)
  }
  expect(seen).toEqual(['first SIGUSR2', 'second'])
})

test('a signal that is passed on to a busy process counts once, however late it is heard', async () => {
  const heard: string[] = []
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const watch = new SignalWatch(['SIGHUP'], true, systemClock, {
    first() {
      heard.push('first')
      process.kill(process.pid, 'SIGHUP')
      // Longer than an echo may take.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120)
      // By then it has been heard, whatever stopped this process meanwhile.
      setTimeout(() => setImmediate(() => setImmediate(resolve)), 100)
    },
    second: () => void heard.push('second'),
  })
  onTestFinished(() => watch.end())
  process.kill(process.pid, 'SIGHUP')
  await late
  expect(heard).toEqual(['first'])
  process.kill(process.pid, 'SIGHUP')
  await expect.poll(() => heard).toEqual(['first', 'second'])
})

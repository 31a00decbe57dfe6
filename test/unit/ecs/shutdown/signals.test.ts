import { manualClock, type ManualClock } from 'onehop/testing'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
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

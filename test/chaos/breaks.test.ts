import { test } from 'vitest'
import { expectFailures, expectFailuresInAll, holds } from './play.ts'
import {
  connectTimeoutWithLimit,
  resetMidBody,
  resetMidHeaders,
  resetOnAccept,
} from '../../chaos/scenarios/breaks.ts'

test('an address that takes no connections fails nothing with connectMs: 250', async () => {
  await holds(connectTimeoutWithLimit, expectFailures)
})

// A POST that may have been sent is not sent again: some are lost, until the task is out.
test('a task that resets connections as it takes them fails no GET', async () => {
  await holds(resetOnAccept, (played) => expectFailures(played, { POST: 6 }))
})

test('a task that resets connections within its headers fails no GET', async () => {
  await holds(resetMidHeaders, (played) => expectFailures(played, { POST: 6 }))
})

test('a task that resets connections within its answers fails few calls: none is asked again once it has begun', async () => {
  await holds(resetMidBody, (played) => expectFailuresInAll(played, 6))
})

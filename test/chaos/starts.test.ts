import { expect, test } from 'vitest'
import { expectFailures, holds, mostInFlight } from './play.ts'
import {
  coldStart,
  coldStartWithServfail,
  onlyTaskKilled,
  onlyTaskRefuses,
  unreachableDns,
} from '../../chaos/scenarios/starts.ts'
import { wasInFlight } from '../../chaos/tally.ts'

test('calls that are there before DNS has answered fail nothing', async () => {
  await holds(coldStart, expectFailures)
})

test('nor do they when the first answers are SERVFAIL', async () => {
  await holds(coldStartWithServfail, expectFailures)
})

test('DNS servers that cannot be reached fail nothing beside one that can', async () => {
  await holds(unreachableDns, expectFailures)
})

test('the only task dies: the fallback answers all but the POSTs that were in flight', async () => {
  await holds(onlyTaskKilled, (played) => {
    expect(played.tally.failedOf('POST').filter((failure) => !wasInFlight(failure))).toEqual([])
    expectFailures(played, { POST: mostInFlight(played, 6, 1) })
  })
})

test('the only task refuses connections: the fallback answers all', async () => {
  await holds(onlyTaskRefuses, expectFailures)
})

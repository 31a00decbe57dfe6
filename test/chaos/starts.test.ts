import { expect, test } from 'vitest'
import { expectFailures, play } from './play.ts'
import {
  coldStart,
  coldStartWithServfail,
  onlyTaskKilled,
  onlyTaskRefuses,
  unreachableDns,
} from '../../chaos/scenarios/starts.ts'
import { wasInFlight } from '../../chaos/tally.ts'

test('calls that are there before DNS has answered fail nothing', async () => {
  expectFailures(await play(coldStart))
})

test('nor do they when the first answers are SERVFAIL', async () => {
  expectFailures(await play(coldStartWithServfail))
})

test('DNS servers that cannot be reached fail nothing beside one that can', async () => {
  expectFailures(await play(unreachableDns))
})

test('the only task dies: the fallback answers all but the POSTs that were in flight', async () => {
  const report = await play(onlyTaskKilled)
  expect(report.tally.failedOf('POST').filter((failure) => !wasInFlight(failure))).toEqual([])
  expectFailures(report, { POST: 6 })
})

test('the only task refuses connections: the fallback answers all', async () => {
  expectFailures(await play(onlyTaskRefuses))
})

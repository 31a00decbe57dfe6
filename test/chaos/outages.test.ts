import { OnehopError } from 'onehop'
import { expect, test } from 'vitest'
import { wasInFlight } from '../../chaos/tally.ts'
import { expectFailures, play } from './play.ts'
import {
  allDown,
  allDownWithFallback,
  fallbackDown,
  OUTAGE_MS,
  recovery,
} from '../../chaos/scenarios/outages.ts'

test('with all tasks dead and no fallback, each call fails at once, with an error that says so', async () => {
  const { tally } = await play(allDown)
  expect(tally.failures.filter(({ error }) => !(error instanceof OnehopError))).toEqual([])
  expect(tally.failures.length).toBeGreaterThan(0.99 * tally.calls())
  expect(tally.latencyMs(0.5)).toBeLessThan(300)
})

test('with all tasks dead, the fallback answers all but the POSTs that were in flight', async () => {
  const report = await play(allDownWithFallback)
  expect(report.tally.failedOf('POST').filter((failure) => !wasInFlight(failure))).toEqual([])
  expectFailures(report, { POST: 6 })
})

test('a dead fallback fails nothing while tasks are there, though they are too few', async () => {
  const report = await play(fallbackDown)
  expect(report.tally.failedOf('POST').filter((failure) => !wasInFlight(failure))).toEqual([])
  expectFailures(report, { POST: 6 })
})

test('calls succeed again within a second of the tasks being back', async () => {
  const { tally } = await play(recovery)
  expect(tally.failures.length).toBeGreaterThan(0)
  expect(tally.failures.filter(({ at }) => at > OUTAGE_MS + 1_000)).toEqual([])
})

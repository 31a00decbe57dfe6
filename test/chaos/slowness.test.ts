/**
 * Latencies on a machine that others use, too: what the fault adds is told by the difference to a service without it,
 * which is called in the same moments. On a quiet machine the absolute numbers hold, which are beside each.
 */
import { expect, test } from 'vitest'
import { expectFailures, expectFailuresInAll, play } from './play.ts'
import type { Report } from './run.ts'
import { tenfold, twoSeconds, unavailable } from './scenarios/slowness.ts'

function addedP99Ms({ tally, control }: Report): number {
  return tally.latencyMs(0.99) - (control?.latencyMs(0.99) ?? 0)
}

test('a task that is 2 s slow costs 3 calls of 3,000', async () => {
  expectFailuresInAll(await play(twoSeconds), 3)
})

test('a task that is ten times as slow as its nine peers is not felt at p99', async () => {
  const report = await play(tenfold)
  expectFailures(report)
  // Quiet: 15 ms at most, of 6 to 7 without the fault. The slow task takes 40.
  expect(addedP99Ms(report)).toBeLessThanOrEqual(8)
})

test('a task that answers 503 at once fails no GET, and its retries are not felt at p99', async () => {
  const report = await play(unavailable)
  expectFailures(report, { POST: 6 })
  // Quiet: 10 ms at most, of 6 to 7 without the fault.
  expect(addedP99Ms(report)).toBeLessThanOrEqual(4)
})

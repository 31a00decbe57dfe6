/**
 * What rests on estimates of latencies, and is played alone for that: which calls wait for a task that is silent is a
 * matter of what its peers seem to take. Latencies on a machine that others use, too: what the fault adds is told by the difference to a service without it,
 * which is called in the same moments. On a quiet machine the absolute numbers hold, which are beside each.
 */
import { expect, test } from 'vitest'
import { expectFailures, expectFailuresInAll, holds } from './play.ts'
import type { Report } from '../../chaos/run.ts'
import { connectTimeout } from '../../chaos/scenarios/breaks.ts'
import { hang } from '../../chaos/scenarios/crashes.ts'
import { tenfold, twoSeconds, twoSecondsHedged, unavailable } from '../../chaos/scenarios/slowness.ts'

function addedP99Ms({ tally, control }: Report): number {
  return tally.latencyMs(0.99) - (control?.latencyMs(0.99) ?? 0)
}

test('a hung task costs 3 calls when attempts have no limit of their own', async () => {
  await holds(hang, (played) => expectFailuresInAll(played, 3))
})

test('an address that takes no connections costs 3 calls of callers that abort before the connect timeout', async () => {
  await holds(connectTimeout, (played) => expectFailuresInAll(played, 3))
})

test('a task that is 2 s slow costs 3 calls of 3,000', async () => {
  await holds(twoSeconds, (played) => expectFailuresInAll(played, 3))
})

test('a task that is 2 s slow costs one call at most where calls are hedged, but for those that cannot be', async () => {
  // Plain POSTs are sent once.
  await holds(twoSecondsHedged, (played) => expectFailures(played, { POST: 3 }))
})

test('a task that is ten times as slow as its nine peers is not felt at p99', async () => {
  await holds(tenfold, (played) => {
    expectFailures(played)
    // Quiet: 15 ms at most, of 6 to 7 without the fault. The slow task takes 40.
    expect(addedP99Ms(played)).toBeLessThanOrEqual(8)
  })
})

test('a task that answers 503 at once fails no GET, and its retries are not felt at p99', async () => {
  await holds(unavailable, (played) => {
    expectFailures(played, { POST: 6 })
    // Quiet: 10 ms at most, of 6 to 7 without the fault.
    expect(addedP99Ms(played)).toBeLessThanOrEqual(4)
  })
})

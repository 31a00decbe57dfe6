import { AttemptsExhaustedError, OnehopError } from 'onehop'
import { expect, test } from 'vitest'
import { wasInFlight, type Failure } from '../../chaos/tally.ts'
import { expectFailures, holds, mostInFlight } from './play.ts'
import {
  allDown,
  allDownWithFallback,
  fallbackDown,
  OUTAGE_MS,
  recovery,
} from '../../chaos/scenarios/outages.ts'

test('with all tasks dead and no fallback, each call fails at once, with an error that says so', async () => {
  await holds(allDown, ({ tally }) => {
    expect(tally.failures.filter(({ error }) => !(error instanceof OnehopError))).toEqual([])
    expect(tally.failures.length).toBeGreaterThan(0.99 * tally.calls())
    expect(tally.latencyMs(0.5)).toBeLessThan(300)
  })
})

test('with all tasks dead, the fallback answers all but the POSTs that were in flight', async () => {
  await holds(allDownWithFallback, (played) => {
    expect(played.tally.failedOf('POST').filter((failure) => !wasInFlight(failure))).toEqual([])
    expectFailures(played, { POST: mostInFlight(played, 6, 1) })
  })
})

/** Each of its three attempts met another of the three that had just died: two tasks, and the load balancer. */
function metAllThatDied({ error, at }: Failure): boolean {
  return (
    at < 100 &&
    error instanceof AttemptsExhaustedError &&
    new Set(error.attempts.map(({ upstream }) => upstream)).size === 3
  )
}

test('a dead fallback fails no call that has a live task within its attempts, though the tasks are too few', async () => {
  await holds(fallbackDown, (played) => {
    const { tally } = played
    expect(
      tally.failedOf('POST').filter((failure) => !wasInFlight(failure) && !metAllThatDied(failure)),
    ).toEqual([])
    const repeatable = [...tally.failedOf('GET'), ...tally.failedOf('POST+key')]
    expect(repeatable.filter((failure) => !metAllThatDied(failure))).toEqual([])
    // Of 2,400 calls, those of some 20 ms in which nothing is known yet.
    expectFailures(played, { POST: 6, GET: 1, 'POST+key': 1 })
  })
})

test('calls succeed again within a second of the tasks being back', async () => {
  await holds(recovery, ({ tally }) => {
    expect(tally.failures.length).toBeGreaterThan(0)
    expect(tally.failures.filter(({ at }) => at > OUTAGE_MS + 1_000)).toEqual([])
  })
})

/**
 * Fleets in trouble, simulated with the real policies: the same numbers in every run. `npm run simulate` prints them all,
 * with those of other balancers.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ONEHOP } from '../../../simulation/policies.ts'
import { simulate, type Scenario } from '../../../simulation/run.ts'
import type { Second } from '../../../simulation/measures.ts'
import * as scenarios from '../../../simulation/scenarios.ts'
import { attemptsOf, policy, shareOfFirst } from '../../support/simulations.ts'

const ROUND_ROBIN = policy('round robin')
const LEAST_REQUEST = policy('onehop, leastRequest')

function ejections(): readonly string[] {
  const reasons: string[] = []
  const listen = (event: unknown): void => void reasons.push((event as { reason: string }).reason)
  subscribe('onehop:upstream.ejected', listen)
  onTestFinished(() => void unsubscribe('onehop:upstream.ejected', listen))
  return reasons
}

describe('one slow task', () => {
  test('of 11, slow by 2 s for callers that wait for 1 s: 99.9 % succeed without retries, and 91.8 % with round robin', () => {
    const { totals } = simulate(scenarios.TWO_SECONDS_SLOW, ONEHOP).outcome
    expect(totals.success).toBeGreaterThanOrEqual(0.999)
    expect(simulate(scenarios.TWO_SECONDS_SLOW, ROUND_ROBIN).outcome.totals.success).toBeLessThan(0.92)
  })

  test('the same with retries and hedging: 99.99 % succeed, at the price of one call in twenty', () => {
    const { totals } = simulate(scenarios.TWO_SECONDS_SLOW_HEDGED, ONEHOP).outcome
    expect(totals.success).toBeGreaterThanOrEqual(0.9999)
    expect(totals.attempts).toBeLessThan(1.06)
  })

  test('of 10, ten times as slow at half load: the 99th percentile stays within 1.2 times the healthy one', () => {
    const healthy = simulate(scenarios.TEN_HEALTHY, ONEHOP).outcome.totals
    const { totals } = simulate(scenarios.TEN_TIMES_SLOW, ONEHOP).outcome
    expect(totals.p99).toBeLessThanOrEqual(1.2 * healthy.p99)
    const { p99 } = simulate(scenarios.TEN_TIMES_SLOW, ROUND_ROBIN).outcome.totals
    expect(p99).toBeGreaterThan(100 * healthy.p99)
  })
})

describe.each([ONEHOP, LEAST_REQUEST])('a task that answers 503 at once, $name', (balancing) => {
  test.each([2, 4, 20])(
    'one of %i gets 0.02 of the calls after 5 s, and 0.8 of its share 30 s after it is well again',
    (size) => {
      const { outcome } = simulate(scenarios.blackHole(size), balancing)
      expect(shareOfFirst(outcome, 15, 70)).toBeLessThanOrEqual(0.02)
      expect(shareOfFirst(outcome, 95, 105) * size).toBeGreaterThanOrEqual(0.8)
      expect(outcome.totals.success).toBeGreaterThan(0.9999)
    },
  )

  test('recovers as fast after five minutes', () => {
    const short = scenarios.blackHole(4)
    const long: Scenario = {
      ...short,
      seconds: 350,
      events({ at, fault }) {
        at(10, () => fault(0, { status: 503 }))
        at(310, () => fault(0, { status: 200 }))
      },
    }
    const { outcome } = simulate(long, balancing)
    expect(shareOfFirst(outcome, 15, 310)).toBeLessThanOrEqual(0.002)
    expect(shareOfFirst(outcome, 335, 345) * 4).toBeGreaterThanOrEqual(0.8)
  })
})

describe('failures that all tasks share eject none of them', () => {
  test('one call in five is bad input', () => {
    const reasons = ejections()
    const { totals } = simulate(scenarios.ALL_FAIL_ALIKE, ONEHOP).outcome
    expect(reasons).toEqual([])
    expect(totals.success).toBeLessThan(0.81)
    expect(totals.least).toBeGreaterThan(0.9)
  })

  test('the database is down for five seconds', () => {
    const reasons = ejections()
    expect(simulate(scenarios.DATABASE_DOWN, ONEHOP).outcome.totals.success).toBeLessThan(0.93)
    expect(reasons).toEqual([])
  })
})

test('a task that fails every second call is ejected after a few dozen calls, also if it is one of two', () => {
  const { totals } = simulate(scenarios.TWO_TASKS, ONEHOP).outcome
  expect(totals.success).toBeGreaterThan(0.99)
  expect(simulate(scenarios.TWO_TASKS, ROUND_ROBIN).outcome.totals.success).toBeLessThan(0.78)
})

test('a client that makes one call at a time calls all tasks, not the one that is minimally faster', () => {
  for (let seed = 1; seed <= 5; seed++) {
    const { totals } = simulate(scenarios.ONE_AT_A_TIME, ONEHOP, seed).outcome
    expect(totals.least).toBeGreaterThan(0.6)
    expect(totals.most).toBeLessThan(1.4)
  }
})

describe('zones', () => {
  test('19 calls in 20 stay local if there is capacity, and tasks get equal shares', () => {
    const { totals } = simulate(scenarios.ZONES_EVEN, ONEHOP).outcome
    expect(totals.local).toBeGreaterThanOrEqual(0.95)
    expect(totals.deviation).toBeLessThan(0.05)
  })

  test('a zone loses two of three tasks: the 99th percentile stays within 1.5 times, and no task is overloaded', () => {
    const { p99 } = simulate(scenarios.ZONES_EVEN, ONEHOP).outcome.totals
    const { totals } = simulate(scenarios.ZONE_SHRINKS, ONEHOP).outcome
    expect(totals.p99).toBeLessThanOrEqual(1.5 * p99)
    expect(totals.success).toBe(1)
    // Nine tasks run at half load: 2 would be their capacity.
    expect(totals.most).toBeLessThan(1.5)
  })

  test('with callers and tasks spread differently, tasks get equal shares, and most calls stay', () => {
    const { totals } = simulate(scenarios.ZONES_UNEVEN, ONEHOP).outcome
    expect(totals.deviation).toBeLessThan(0.05)
    // 2/9, 3/9 and 2/9 of the calls fit in their callers' zones.
    expect(totals.local).toBeGreaterThan(0.98 * (7 / 9))
  })

  test('a zone that falls silent costs less than 5 % of the calls in a second, and hardly any later', () => {
    const { totals, seconds } = simulate(scenarios.ZONE_LOST, ONEHOP).outcome
    expect(totals.success).toBeGreaterThan(0.997)
    expect(Math.max(...seconds.map(({ calls, failed }) => failed / calls))).toBeLessThan(0.05)
  })
})

test('a zone with most of the callers sends the calls that its tasks cannot take elsewhere', () => {
  const { totals } = simulate(scenarios.ZONE_OVERLOADED, ONEHOP).outcome
  expect(totals.success).toBe(1)
  expect(totals.local).toBeLessThan(0.8)
})

test('a zone whose tasks hang for 20 s costs 1 % of the calls', () => {
  expect(simulate(scenarios.ZONE_HANGS, ONEHOP).outcome.totals.success).toBeGreaterThan(0.99)
})

test('6 clients with subsets of 5 load 20 tasks evenly, because they know of each other', () => {
  const { totals } = simulate(scenarios.SUBSET_FEW, ONEHOP).outcome
  expect(totals.deviation).toBeLessThan(0.03)
  const alone = { ...scenarios.SUBSET_FEW, peers: false }
  expect(simulate(alone, ONEHOP).outcome.totals.deviation).toBeGreaterThan(0.5)
})

describe('large fleets', () => {
  test('100 clients do not agree on a task to crowd', () => {
    const { totals } = simulate(scenarios.HUNDREDS, ONEHOP).outcome
    expect(totals.deviation).toBeLessThan(0.06)
    expect(totals.most).toBeLessThan(1.2)
  })

  test('1,000 clients of 1,000 tasks with 20 each: load deviates by a quarter of the mean', () => {
    const { totals } = simulate(scenarios.THOUSANDS, ONEHOP).outcome
    expect(totals.deviation).toBeLessThanOrEqual(0.25)
  }, 60_000)
})

test('retries to an overloaded service stay within the budget, and it recovers with the load', () => {
  const { totals, seconds } = simulate(scenarios.RETRY_STORM, ONEHOP).outcome
  expect(totals.attempts).toBeLessThan(1.2)
  const storm = seconds.filter(({ at }) => at > 12 && at < 30)
  const attempts = storm.reduce((sum, second) => sum + attemptsOf(second), 0)
  const calls = storm.reduce((sum, second) => sum + second.calls, 0)
  // 0.2 for each call, and 10 a second for each of six clients.
  expect(attempts / calls).toBeLessThan(1.2 + (6 * 10) / scenarios.RETRY_STORM.callsPerSecond + 0.01)
  expect(attempts / calls).toBeGreaterThan(1.1)
  for (const { failed } of seconds.filter(({ at }) => at > 35)) expect(failed).toBe(0)
})

test('calls that the tasks cannot take go to the load balancer, and come back without a switch', () => {
  const { totals, seconds } = simulate(scenarios.SPILL, ONEHOP).outcome
  expect(totals.success).toBe(1)
  const toBalancer = (second: Second): number =>
    (second.attempts.get('balancer.internal') ?? 0) / attemptsOf(second)
  // 2 of 6 tasks: 1.4 / 3 stay direct.
  for (const second of seconds.filter(({ at }) => at > 15 && at <= 40))
    expect(toBalancer(second)).toBeCloseTo(1 - 1.4 / 3, 1)
  for (const second of seconds.filter(({ at }) => at > 75)) expect(toBalancer(second)).toBe(0)
})

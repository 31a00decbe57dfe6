/**
 * What the balancers make of fleets in trouble, simulated with the real policies: the same numbers in every run.
 * `npm run simulate` prints all of them, beside those of others.
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
  test('of 11, late by 2 s for callers that wait for 1 s: 99.9 % succeed without retries; by turns 91.8 %', () => {
    const { totals } = simulate(scenarios.TWO_SECONDS_SLOW, ONEHOP).outcome
    expect(totals.success).toBeGreaterThanOrEqual(0.999)
    expect(simulate(scenarios.TWO_SECONDS_SLOW, ROUND_ROBIN).outcome.totals.success).toBeLessThan(0.92)
  })

  test('the same with retries and hedging: 99.99 % succeed, at the price of a call in twenty', () => {
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

  test('is back as soon when it was out for five minutes', () => {
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

describe('what all tasks have in common puts none of them out', () => {
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

test('a task that fails every second call is out after a few dozen calls, though it is one of two', () => {
  const { totals } = simulate(scenarios.TWO_TASKS, ONEHOP).outcome
  expect(totals.success).toBeGreaterThan(0.99)
  expect(simulate(scenarios.TWO_TASKS, ROUND_ROBIN).outcome.totals.success).toBeLessThan(0.78)
})

test('a client that makes one call at a time calls all tasks, not the one that is faster by a hair', () => {
  for (let seed = 1; seed <= 5; seed++) {
    const { totals } = simulate(scenarios.ONE_AT_A_TIME, ONEHOP, seed).outcome
    expect(totals.least).toBeGreaterThan(0.6)
    expect(totals.most).toBeLessThan(1.4)
  }
})

describe('zones', () => {
  test('19 calls in 20 stay local when there is room, and tasks are called alike', () => {
    const { totals } = simulate(scenarios.ZONES_EVEN, ONEHOP).outcome
    expect(totals.local).toBeGreaterThanOrEqual(0.95)
    expect(totals.deviation).toBeLessThan(0.05)
  })

  test('a zone that loses two of three tasks: the 99th percentile stays within 1.5 times, nobody is overloaded', () => {
    const { p99 } = simulate(scenarios.ZONES_EVEN, ONEHOP).outcome.totals
    const { totals } = simulate(scenarios.ZONE_SHRINKS, ONEHOP).outcome
    expect(totals.p99).toBeLessThanOrEqual(1.5 * p99)
    expect(totals.success).toBe(1)
    // Of nine tasks at half of what they can bear; 2 is all they can.
    expect(totals.most).toBeLessThan(1.5)
  })

  test('with callers and tasks spread differently, each task gets the same, and most calls stay', () => {
    const { totals } = simulate(scenarios.ZONES_UNEVEN, ONEHOP).outcome
    expect(totals.deviation).toBeLessThan(0.05)
    // 2/9, 3/9 and 2/9 of the callers' calls fit in their own zones.
    expect(totals.local).toBeGreaterThan(0.98 * (7 / 9))
  })

  test('a zone that falls silent costs one call in twenty of a second, and hardly any later', () => {
    const { totals, seconds } = simulate(scenarios.ZONE_LOST, ONEHOP).outcome
    expect(totals.success).toBeGreaterThan(0.997)
    expect(Math.max(...seconds.map(({ calls, failed }) => failed / calls))).toBeLessThan(0.05)
  })
})

describe('large fleets', () => {
  test('100 clients do not agree on a task to crowd', () => {
    const { totals } = simulate(scenarios.HUNDREDS, ONEHOP).outcome
    expect(totals.deviation).toBeLessThan(0.06)
    expect(totals.most).toBeLessThan(1.2)
  })

  test('1,000 clients of 1,000 tasks with 20 each: loads deviate by a quarter of the mean', () => {
    const { totals } = simulate(scenarios.THOUSANDS, ONEHOP).outcome
    expect(totals.deviation).toBeLessThanOrEqual(0.25)
  }, 60_000)
})

test('retries of a service that is overloaded stay within the budget, and it recovers with the load', () => {
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

test('what tasks cannot take goes to the load balancer, and comes back by itself', () => {
  const { totals, seconds } = simulate(scenarios.SPILL, ONEHOP).outcome
  expect(totals.success).toBe(1)
  const toBalancer = (second: Second): number =>
    (second.attempts.get('balancer.internal') ?? 0) / attemptsOf(second)
  // 2 of 6 tasks: 1.4 / 3 stay direct.
  for (const second of seconds.filter(({ at }) => at > 15 && at <= 40))
    expect(toBalancer(second)).toBeCloseTo(1 - 1.4 / 3, 1)
  for (const second of seconds.filter(({ at }) => at > 75)) expect(toBalancer(second)).toBe(0)
})

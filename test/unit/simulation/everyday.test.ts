/**
 * What happens to services every week: tasks start cold, hang, fail for seconds, die, are replaced. Simulated with the
 * real policies. `npm run simulate` prints all results, with those of other balancers.
 */
import { describe, expect, test } from 'vitest'
import type { Outcome } from '../../../simulation/measures.ts'
import { ONEHOP } from '../../../simulation/policies.ts'
import { simulate } from '../../../simulation/run.ts'
import * as scenarios from '../../../simulation/scenarios.ts'
import { policy, shareOf, shareOfFirst } from '../../support/simulations.ts'

const ROUND_ROBIN = policy('round robin')
const LEAST_REQUEST = policy('onehop, leastRequest')
const JOINING_TASK = '10.0.0.6'

const healthy = simulate(scenarios.TEN_HEALTHY, ONEHOP).outcome.totals

/** Highest 99th percentile of a second after `from`. */
function worstSecond({ seconds }: Outcome, from: number): number {
  return Math.max(...seconds.filter(({ at }) => at > from).map(({ p99 }) => p99))
}

test('a task that hangs costs a few calls in its first two seconds, and a quarter of all with round robin', () => {
  const { outcome } = simulate(scenarios.HANGS, ONEHOP)
  expect(outcome.totals.success).toBeGreaterThan(0.9995)
  // Probes, and calls for which its cost was lower than that of its peers.
  expect(shareOfFirst(outcome, 6, 25)).toBeLessThan(0.001)
  expect(4 * shareOfFirst(outcome, 45, 55)).toBeGreaterThan(0.8)
  expect(simulate(scenarios.HANGS, ROUND_ROBIN).outcome.totals.success).toBeLessThan(0.92)
})

test('a task that starts five times slower affects few calls, and has its share when it is warm', () => {
  const { outcome } = simulate(scenarios.COLD_START, ONEHOP)
  expect(outcome.totals.success).toBe(1)
  expect(outcome.totals.p99).toBeLessThan(1.2 * healthy.p99)
  expect(worstSecond(outcome, 5)).toBeLessThan(100)
  expect(6 * shareOf(JOINING_TASK, outcome, 30, 40)).toBeGreaterThan(0.8)
  // Without slow start and latencies, calls pile up there until their callers abort.
  expect(simulate(scenarios.COLD_START, ROUND_ROBIN).outcome.totals.success).toBeLessThan(0.9)
})

describe.each([ONEHOP, LEAST_REQUEST])('no call is lost, and hardly one is slow, $name', (balancing) => {
  test('when a task answers 503 for two seconds in every ten', () => {
    const { totals } = simulate(scenarios.FLAPPING, balancing).outcome
    expect(totals.success).toBe(1)
    expect(totals.attempts).toBeLessThan(1.002)
    expect(totals.p99).toBeLessThan(1.1 * healthy.p99)
  })

  test('when half of the fleet refuses connections and discovery names it for 30 s more', () => {
    const { totals } = simulate(scenarios.HALF_DEAD, balancing).outcome
    expect(totals.success).toBeGreaterThan(0.9999)
    expect(totals.attempts).toBeLessThan(1.005)
    expect(totals.p99).toBeLessThan(1.1 * healthy.p99)
  })

  test('when all tasks are replaced, and discovery is up to ten seconds behind', () => {
    const { outcome } = simulate(scenarios.ROLLING, balancing)
    expect(outcome.totals.success).toBe(1)
    expect(outcome.totals.attempts).toBeLessThan(1.005)
    expect(worstSecond(outcome, 0)).toBeLessThan(1.5 * healthy.p99)
  })
})

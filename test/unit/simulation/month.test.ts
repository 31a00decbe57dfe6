/** What `auto` costs over days, and how soon it sees changes, beside what it did before decision 018. */
import { beforeAll, expect, test } from 'vitest'
import { runMonth } from '../../../simulation/month/run.ts'
import type { Mode } from '../../../simulation/month/sources.ts'
import { PLAN, summaryOf, type Summary } from '../../../simulation/month/summary.ts'

const DAYS = 2

async function days(mode: Mode, ttlSeconds: number): Promise<Summary> {
  const plan = { ...PLAN, mode, days: DAYS, processes: 2, ttlMs: ttlSeconds * 1_000 }
  return summaryOf(plan, await runMonth(plan))
}

let before: Summary
beforeAll(async () => {
  before = await days('auto before', 5)
})

test('before, the API was called 518,000 times a month', () => {
  expect(before.apiCallsPerMonth).toBeGreaterThan(510_000)
  expect(before.apiCallsPerMonth).toBeLessThan(530_000)
})

test('with a TTL of 5 s: a twentieth of the calls, and changes are seen no later', async () => {
  const auto = await days('auto', 5)
  expect(auto.apiCallsPerMonth).toBeLessThanOrEqual(before.apiCallsPerMonth / 20)
  expect(auto.p50).toBeLessThanOrEqual(before.p50)
  expect(auto.p99).toBeLessThanOrEqual(before.p99)
  expect(auto.attemptsAtDeadPerDay).toBeLessThanOrEqual(before.attemptsAtDeadPerDay)
  expect(auto.failedCalls).toBe(0)
  expect(auto.movesPerChange).toBeCloseTo(1, 2)
})

test.each([10, 60])(
  'with a TTL of %d s: as few calls, and half of the changes within 6 s',
  async (ttlSeconds) => {
    const auto = await days('auto', ttlSeconds)
    expect(auto.apiCallsPerMonth).toBeLessThanOrEqual(before.apiCallsPerMonth / 20)
    expect(auto.p50).toBeLessThan(6)
    expect(auto.p99).toBeLessThan(ttlSeconds + 3)
    expect(auto.failedCalls).toBe(0)
  },
)

test('in an HTTP namespace: an eighth of the calls, and each change within 70 s', async () => {
  const alone = await days('http namespace', 5)
  expect(alone.apiCallsPerMonth).toBeLessThanOrEqual(before.apiCallsPerMonth / 8)
  expect(alone.p99).toBeLessThan(70)
  expect(alone.failedCalls).toBe(0)
})

test('sources that are up to a minute behind each other move no endpoint twice', async () => {
  for (const [apiLagMs, dnsLagMs] of [
    [500, 50_000],
    [50_000, 500],
  ] as const) {
    const plan = {
      ...PLAN,
      apiLagMs,
      dnsLagMs,
      mode: 'auto',
      days: DAYS,
      processes: 1,
      ttlMs: 5_000,
    } as const
    const { failedCalls, movesPerChange } = summaryOf(plan, await runMonth(plan))
    expect(failedCalls).toBe(0)
    expect(movesPerChange).toBeLessThanOrEqual(1.01)
  }
})

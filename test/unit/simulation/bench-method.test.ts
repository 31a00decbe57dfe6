/**
 * The statistics of `onehop bench` on virtual latencies: a slow process with slow and fast seconds, calls mixed at random, as
 * in a run. How often does it see a difference that is not there, and how often one that is?
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/core/seeded-random.ts'
import type { Random } from '../../../src/core/clock.ts'
import { Resampled, type ArmSamples } from '../../../src/bench/statistics/bootstrap.ts'
import { excludesZero } from '../../../src/bench/statistics/verdict.ts'

const ROUNDS = 100
/** What is there is found much more often than not: fewer rounds show it. */
const SHIFTED_ROUNDS = 30
const SECONDS = 60
const CALLS_PER_SECOND = 350
const SHARES = [0.5, 0.9, 0.99]

function normal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
}

/** Log-normal around 1 ms, a slow machine state that lasts for seconds, and one call in fifty that is three times as slow. */
function runOf(seed: number, change: (ms: number) => number): Resampled {
  const random = seededRandom(seed)
  const arms: { values: number[]; blocks: number[] }[] = [
    { values: [], blocks: [] },
    { values: [], blocks: [] },
  ]
  let drift = 0
  for (let second = 0; second < SECONDS; second++) {
    drift = 0.7 * drift + 0.25 * normal(random)
    for (let call = 0; call < CALLS_PER_SECOND; call++) {
      const arm = random.next() < 0.5 ? 0 : 1
      const slow = random.next() < 0.02 ? 3 : 1
      const ms = Math.exp(drift + 0.4 * normal(random)) * slow
      arms[arm]?.values.push(arm === 1 ? change(ms) : ms)
      arms[arm]?.blocks.push(second)
    }
  }
  const samples = arms.map(({ values, blocks }): ArmSamples => ({
    values: Float64Array.from(values),
    blocks: Uint32Array.from(blocks),
  }))
  return new Resampled(samples, SECONDS, SHARES, seededRandom(seed + 1_000_000))
}

/** In how many rounds an interval excludes zero, by percentile, and in how many it is above zero. */
function alarms(rounds: number, change: (ms: number) => number): { seen: number[]; slower: number[] } {
  const seen = SHARES.map(() => 0)
  const slower = SHARES.map(() => 0)
  for (let round = 1; round <= rounds; round++) {
    const run = runOf(round, change)
    for (const [index, share] of SHARES.entries()) {
      const interval = run.difference(1, 0, share)
      if (interval === undefined) throw new Error('no interval')
      if (excludesZero(interval)) seen[index] = (seen[index] ?? 0) + 1
      if (interval.low > 0) slower[index] = (slower[index] ?? 0) + 1
    }
  }
  return { seen, slower }
}

test('two arms that are the same raise at most 8 false alarms in 100 runs, at each percentile', () => {
  const { seen } = alarms(ROUNDS, (ms) => ms)
  for (const [index, count] of seen.entries())
    expect(count, `p${(SHARES[index] ?? 0) * 100}: ${seen.join(', ')}`).toBeLessThanOrEqual(8)
  // An interval that is far too wide would raise none at all.
  expect(seen.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(3)
})

test('0.2 ms more is found in every run at the median, and in most at p90', () => {
  const { slower } = alarms(SHIFTED_ROUNDS, (ms) => ms + 0.2)
  expect(slower[0]).toBe(SHIFTED_ROUNDS)
  expect(slower[1]).toBeGreaterThanOrEqual(28)
})

test('10 % more is found in every run at the median, and in most at p90', () => {
  const { slower } = alarms(SHIFTED_ROUNDS, (ms) => ms * 1.1)
  expect(slower[0]).toBe(SHIFTED_ROUNDS)
  expect(slower[1]).toBeGreaterThanOrEqual(27)
})

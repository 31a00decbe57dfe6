/**
 * Every pick compares both of two tasks. Their weights hold at one call at a time and at several, while a slow or silent
 * task is avoided whatever its weight. On virtual time, with the real latency estimates.
 */
import { describe, expect, test } from 'vitest'
import type { Balancer } from '../../../src/balancer/balancer.ts'
import { leastRequest } from '../../../src/balancer/least-request.ts'
import { p2c } from '../../../src/balancer/p2c.ts'
import type { Upstream } from '../../../src/cluster/upstream.ts'
import type { Random } from '../../../src/core/clock.ts'
import { seededRandom } from '../../../src/testing/fakes/seeded-random.ts'
import { hint } from '../../support/clusters.ts'
import { finish, occupy, upstreams } from '../../support/upstreams.ts'

type ServiceTime = (random: Random) => number

/** In ms, evenly from 2 to 8. */
const even: ServiceTime = (random) => 2 + 6 * random.next()
/** In ms; median 10, 99th percentile 32. */
const lognormal: ServiceTime = (random) =>
  10 * Math.exp(0.5 * Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next()))

/** In ms, evenly from 2 to 8; one of 200 takes 100, as on a busy machine. */
const spiky: ServiceTime = (random) => (random.next() < 0.005 ? 100 : even(random))

interface Load {
  readonly weights: readonly number[]
  /** Callers, each of which makes one call after the other. */
  readonly atOnce: number
  readonly calls: number
  readonly serviceTime: ServiceTime
  /** Times slower than the others. */
  readonly slower?: readonly number[]
}

/** The share of the calls that the last task gets. */
function shareOfLast(make: (random: Random) => Balancer, load: Load, seed: number): number {
  const random = seededRandom(seed)
  const balancer = make(seededRandom(seed + 1))
  const tasks = upstreams(load.weights)
  const underWay: { readonly endsAt: number; readonly ms: number; readonly task: Upstream }[] = []
  const counts = tasks.map(() => 0)
  let now = 0
  const call = (): void => {
    const task = balancer.pick(tasks, hint(now)) as Upstream
    const index = tasks.indexOf(task)
    counts[index]!++
    task.begin(now)
    const ms = load.serviceTime(random) * (load.slower?.[index] ?? 1)
    underWay.push({ endsAt: now + ms, ms, task })
  }
  for (let caller = 0; caller < load.atOnce; caller++) call()
  for (let ended = 0; ended < load.calls; ended++) {
    underWay.sort((one, other) => one.endsAt - other.endsAt)
    const { endsAt, ms, task } = underWay.shift() as (typeof underWay)[number]
    now = endsAt
    task.latency.observe(ms, now)
    finish(task, now)
    call()
  }
  return counts.at(-1)! / counts.reduce((sum, count) => sum + count, 0)
}

const BALANCERS = [
  { name: 'p2c', make: (random: Random) => p2c({ random }) },
  { name: 'least requests of two', make: (random: Random) => leastRequest({ random }) },
]
const SERVICE_TIMES = [
  { times: 'even from 2 to 8 ms', serviceTime: even },
  { times: 'lognormal', serviceTime: lognormal },
  { times: 'even with spikes', serviceTime: spiky },
]

describe.each(BALANCERS)('$name keeps the weights of two tasks', ({ make }) => {
  describe.each(SERVICE_TIMES)('times $times', ({ serviceTime }) => {
    test.each([1, 8, 40])('9 to 1, %i at once: 10 % for the light one', (atOnce) => {
      for (let seed = 1; seed <= 5; seed++) {
        const share = shareOfLast(make, { weights: [9, 1], atOnce, calls: 3_000, serviceTime }, seed)
        expect(Math.abs(share - 0.1)).toBeLessThan(0.03)
      }
    })

    test.each([1, 8, 40])('99 to 1, %i at once: 1 %', (atOnce) => {
      for (let seed = 1; seed <= 5; seed++) {
        const share = shareOfLast(make, { weights: [99, 1], atOnce, calls: 3_000, serviceTime }, seed)
        expect(Math.abs(share - 0.01)).toBeLessThan(0.01)
        expect(share).toBeGreaterThan(0.002)
      }
    })

    test.each([1, 8, 40])('3 to 1, %i at once: 25 %', (atOnce) => {
      for (let seed = 1; seed <= 5; seed++) {
        const share = shareOfLast(make, { weights: [3, 1], atOnce, calls: 3_000, serviceTime }, seed)
        expect(Math.abs(share - 0.25)).toBeLessThan(0.06)
      }
    })
  })
})

describe('p2c avoids a slow or silent task, whatever its weight', () => {
  test.each([1, 8, 40])('the heavy one of 9 and 1 is ten times slower, %i at once', (atOnce) => {
    const load = { weights: [9, 1], atOnce, calls: 3_000, serviceTime: lognormal, slower: [10, 1] }
    expect(shareOfLast((random) => p2c({ random }), load, 1)).toBeGreaterThan(0.75)
  })

  test('the light one of 9 and 1 is ten times slower', () => {
    const load = { weights: [9, 1], atOnce: 8, calls: 3_000, serviceTime: lognormal, slower: [1, 10] }
    expect(shareOfLast((random) => p2c({ random }), load, 1)).toBeLessThan(0.02)
  })

  test('the heavy one of 99 and 1 has been silent for a second', () => {
    const tasks = upstreams([99, 1]) as [Upstream, Upstream]
    tasks[0].begin(0)
    const balancer = p2c({ random: seededRandom(1) })
    const picks = Array.from({ length: 200 }, () => balancer.pick(tasks, hint(1_000)))
    expect(picks.every((task) => task === tasks[1])).toBe(true)
  })
})

test('with a lighter task in the set, the worst of equals gets at most one call of a hundred', () => {
  const balancer = p2c({ random: seededRandom(1) })
  const tasks = upstreams([1, 1, 1, 1, 0.1])
  const worst = tasks[2] as Upstream
  occupy(worst, 1)
  const picks = Array.from({ length: 20_000 }, () => balancer.pick(tasks, hint(0)))
  // Except when it is compared with the light one: 0.1 of a call is too small a difference.
  expect(picks.filter((task) => task === worst).length / picks.length).toBeLessThan(0.01)
})

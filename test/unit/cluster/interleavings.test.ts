/**
 * What holds for a cluster in any order of events: picks, outcomes, snapshots, and time that passes.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { leastRequest } from '../../../src/balancer/least-request.ts'
import { p2c } from '../../../src/balancer/p2c.ts'
import { random } from '../../../src/balancer/random.ts'
import { roundRobin } from '../../../src/balancer/round-robin.ts'
import type { Balancer, PickHint } from '../../../src/balancer/balancer.ts'
import { Cluster } from '../../../src/cluster/cluster.ts'
import type { TaskLocation } from '../../../src/cluster/locality/locality.ts'
import type { Upstream } from '../../../src/cluster/upstream.ts'
import type { Random } from '../../../src/core/clock.ts'
import type { Outcome } from '../../../src/core/outcome.ts'
import { taskEndpoint, type Endpoint } from '../../../src/discovery/endpoint.ts'
import type { View } from '../../../src/discovery/view/view.ts'
import { RetryBudget } from '../../../src/dispatch/retry/budget.ts'
import { manualClock } from '../../../src/testing/fakes/manual-clock.ts'
import { seededRandom } from '../../../src/testing/fakes/seeded-random.ts'
import { clusterOptions, answered, FALLBACK, hint, refused } from '../../support/clusters.ts'

const MAX_TASKS = 7
const ZONES = ['a', 'b', undefined] as const

type Step =
  | { readonly kind: 'call'; readonly isRetry: boolean }
  | { readonly kind: 'end'; readonly which: number; readonly how: keyof typeof ENDS }
  | { readonly kind: 'snapshot'; readonly tasks: readonly number[] }
  | { readonly kind: 'time'; readonly ms: number }

const ENDS = {
  good: () => answered(200, 5),
  slow: () => answered(200, 900),
  failed: () => answered(503, 1),
  broken: (): Outcome => ({ kind: 'transport-error', error: new Error('reset'), sent: true }),
  refused: () => refused(),
  unreachable: () => refused('EADDRNOTAVAIL'),
  late: (): Outcome => ({ kind: 'timeout', phase: 'headers', latencyMs: 1_000, error: new Error('late') }),
  cancelled: (): Outcome => ({ kind: 'cancelled', latencyMs: 50 }),
} satisfies Record<string, () => Outcome>

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('call' as const), isRetry: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('end' as const),
      which: fc.nat(),
      how: fc.constantFrom(...(Object.keys(ENDS) as (keyof typeof ENDS)[])),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('snapshot' as const),
      tasks: fc.uniqueArray(fc.nat(MAX_TASKS - 1), { maxLength: MAX_TASKS }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('time' as const), ms: fc.integer({ min: 1, max: 20_000 }) }),
  },
)

const setting = fc.record({
  seed: fc.nat(),
  balancer: fc.constantFrom<(random: Random) => Balancer>(
    (chance) => p2c({ random: chance }),
    (chance) => leastRequest({ random: chance }),
    (chance) => random({ random: chance }),
    (chance) => roundRobin({ random: chance }),
  ),
  hasFallback: fc.boolean(),
  knowsZone: fc.boolean(),
  maxPending: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
  subset: fc.constantFrom(undefined, 2),
})

const ALL: readonly Endpoint[] = Array.from({ length: MAX_TASKS }, (_, index) => {
  const zone = ZONES[index % ZONES.length]
  return taskEndpoint(`10.0.0.${index + 1}`, { port: 80, weight: 1 + (index % 3), ...(zone && { zone }) })
})

/** A view whose answers come from the test. */
class TestView implements View {
  snapshot: View['snapshot']
  readonly error: undefined

  answer(endpoints: readonly Endpoint[]): void {
    const service = { host: 'orders.shop.local', service: 'orders', namespace: 'shop.local' }
    this.snapshot = {
      service,
      endpoints,
      complete: true,
      expiresAt: Number.POSITIVE_INFINITY,
      source: 'test',
      revision: undefined,
    }
  }

  touch(): boolean {
    return true
  }
  async whenUsable(): Promise<void> {}
  refreshEarly(): void {}
  addLivenessSource(): void {}
  removeLivenessSource(): void {}
}

test('property: a pick is a candidate of the best tier that can take the call; survivors stay; pending returns to 0', () => {
  fc.assert(
    fc.property(setting, fc.array(step, { minLength: 20, maxLength: 200 }), (given, steps) => {
      const clock = manualClock()
      const chance = seededRandom(given.seed)
      const view = new TestView()
      view.answer(ALL)
      const departed = new Set<Upstream>()
      const location: TaskLocation = { zone: 'a', subnets: [], instanceId: undefined, addresses: [] }
      const cluster = new Cluster(view, {
        ...clusterOptions(clock, chance),
        fallback: given.hasFallback ? FALLBACK : undefined,
        balancer: given.balancer(chance),
        slowStartMs: 10_000,
        maxPending: given.maxPending,
        subset: given.subset === undefined ? undefined : { size: given.subset, clientId: 'me' },
        callerLocality: given.knowsZone ? { source: { location }, peers: undefined } : undefined,
        onDeparted: (upstream) => departed.add(upstream),
      })
      let now = 0
      const underWay: {
        readonly upstream: Upstream
        readonly call: PickHint
        /** Start of the ejection that it probes; undefined: it is not a probe. */
        readonly probesSince: number | undefined
      }[] = []
      const seen = new Set<Upstream>()

      const call = (isRetry: boolean): void => {
        cluster.reconcileIfChanged(now)
        const { tasks, fallback } = cluster
        const availableBefore = tasks.filter(({ ejection }) => ejection.state === 'available')
        const all = fallback === undefined ? tasks : [...tasks, fallback]
        const dueBefore = all.filter(({ ejection }) => ejection.probeAt <= now)
        const tried = isRetry ? tasks.slice(0, 1) : []
        const hinted = hint(now)
        const picked = cluster.pick(hinted, tried, false)
        if (picked === undefined) {
          // There are no tasks, or all are full.
          expect(fallback).toBeUndefined()
          const guesses = tasks.filter(({ ejection }) => ejection.cause !== 'refuses')
          const able = availableBefore.length > 0 ? availableBefore : guesses.length > 0 ? guesses : tasks
          for (const upstream of able) expect(upstream.pending).toBeGreaterThanOrEqual(given.maxPending)
          return
        }
        const isProbe = !isRetry && dueBefore.includes(picked)
        if (picked === fallback) {
          // Only if the tasks cannot take the call: too few, all full, or all tried.
          const others = availableBefore.filter((upstream) => !tried.includes(upstream))
          const canTake = others.some(({ pending }) => pending < given.maxPending)
          if (canTake && !isProbe) expect(cluster.directShare).toBeLessThan(1)
        } else {
          expect(tasks).toContain(picked)
          expect(departed.has(picked)).toBe(false)
          if (!isProbe && availableBefore.length > 0) expect(availableBefore).toContain(picked)
          const others = availableBefore.filter((one) => !tried.includes(one))
          if (tried.includes(picked))
            for (const { pending } of others) expect(pending).toBeGreaterThanOrEqual(given.maxPending)
        }
        const probesSince = isProbe ? picked.ejection.since : undefined
        const others = underWay.filter(({ upstream }) => upstream === picked)
        // Never two probes at once, whichever earlier calls end meanwhile.
        if (isProbe) expect(others.map((other) => other.probesSince)).not.toContain(probesSince)
        picked.begin(now)
        underWay.push({ upstream: picked, call: hinted, probesSince })
        seen.add(picked)
      }

      const end = (which: number, how: keyof typeof ENDS): void => {
        const [ending] = underWay.splice(which % underWay.length, 1)
        if (ending === undefined) return
        const { upstream, call: ended } = ending
        const outcome = ENDS[how]()
        upstream.stopWaiting(outcome, now)
        cluster.report(upstream, outcome, now, undefined, ended)
        upstream.end()
      }

      for (const one of steps) {
        if (one.kind === 'call') call(one.isRetry)
        else if (one.kind === 'end' && underWay.length > 0) end(one.which, one.how)
        else if (one.kind === 'time') now += one.ms
        else if (one.kind === 'snapshot') {
          const before = new Map(cluster.tasks.map((upstream) => [upstream.label, upstream]))
          view.answer(ALL.filter((_, index) => one.tasks.includes(index)))
          cluster.reconcileIfChanged(now)
          for (const upstream of cluster.tasks) {
            const known = before.get(upstream.label)
            if (known !== undefined) expect(upstream).toBe(known)
          }
          for (const [label, upstream] of before)
            expect(departed.has(upstream)).toBe(!cluster.tasks.some((task) => task.label === label))
        }
        const local = cluster.zones?.localShare ?? 1
        expect(local).toBeGreaterThanOrEqual(0)
        expect(local).toBeLessThanOrEqual(1)
      }

      while (underWay.length > 0) end(0, 'cancelled')
      for (const upstream of seen) {
        expect(upstream.pending).toBe(0)
        expect(upstream.waiting).toBe(0)
        // A probe whose call is over has a result, or leaves the next call to probe.
        expect(upstream.ejection.state).not.toBe('probing')
      }
    }),
    { numRuns: 300 },
  )
})

test('property: retries never exceed the reserve plus the ratio of the calls in the window', () => {
  const event = fc.record({ isCall: fc.boolean(), afterMs: fc.integer({ min: 0, max: 1_500 }) })
  fc.assert(
    fc.property(fc.array(event, { maxLength: 400 }), (events) => {
      const options = { ratio: 0.2, minPerSecond: 1, windowMs: 10_000 }
      const budget = new RetryBudget(options, 0)
      const calls: number[] = []
      const retries: number[] = []
      let now = 0
      for (const { isCall, afterMs } of events) {
        now += afterMs
        if (isCall) {
          budget.deposit(now)
          calls.push(now)
        } else if (budget.tryWithdraw(now)) retries.push(now)
        const within = (times: readonly number[], ms: number): number =>
          times.filter((time) => time > now - ms).length
        // Windows forget a tenth at a time: they may be a tenth shorter or longer.
        expect(within(retries, 9_000)).toBeLessThanOrEqual(10 + 0.2 * within(calls, 11_000))
      }
    }),
  )
})

/** A view whose answers have no ports yet: calls with a port of their own go on, the others wait for one more lookup. */
import { expect, test } from 'vitest'
import { SnapshotCache } from '../../../../src/discovery/cache.ts'
import { taskEndpoint, type Snapshot } from '../../../../src/discovery/endpoint.ts'
import type { LookupReason } from '../../../../src/discovery/resolver.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import type { ServiceView } from '../../../../src/discovery/view/service-view.ts'
import { manualClock, type ManualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'

const ORDERS = parseServiceName('orders.shop.local', ['shop.local'])

interface Bench {
  readonly clock: ManualClock
  readonly view: ServiceView
  readonly reasons: LookupReason[]
  /** Answers the lookup under way. */
  answer(answer: Pick<Snapshot, 'awaitsPorts'> & { readonly port?: number }): Promise<void>
  fail(): Promise<void>
}

function bench(): Bench {
  const clock = manualClock()
  const reasons: LookupReason[] = []
  let lookup = Promise.withResolvers<Snapshot>()
  const resolver = {
    resolve: (_service: unknown, _signal: unknown, reason: LookupReason = 'expired') => {
      reasons.push(reason)
      lookup = Promise.withResolvers<Snapshot>()
      return lookup.promise
    },
  }
  const view = new SnapshotCache({ resolver, clock, random: seededRandom(1) }).view(ORDERS)
  return {
    clock,
    view,
    reasons,
    async answer({ port, awaitsPorts }) {
      const endpoints = [taskEndpoint('10.0.0.1', { port })]
      const expiresAt = clock.now() + 10_000
      const about = { service: ORDERS, complete: true, source: 'test', revision: undefined }
      lookup.resolve({ ...about, endpoints, expiresAt, awaitsPorts })
      await clock.advance(0)
    },
    async fail() {
      lookup.reject(new Error('SERVFAIL'))
      await clock.advance(0)
    },
  }
}

function isOver(work: Promise<void>): () => boolean {
  let isSettled = false
  work.finally(() => (isSettled = true)).catch(() => undefined)
  return () => isSettled
}

test('a call with a port goes on with the first answer; one without waits for a second lookup', async () => {
  const { view, clock, reasons, answer } = bench()
  const withPort = isOver(view.whenUsable())
  const without = isOver(view.whenUsable(true))
  await answer({ awaitsPorts: true })
  expect([withPort(), without()]).toEqual([true, false])
  expect(reasons).toEqual(['expired', 'ports'])
  expect(view.touch(clock.now())).toBe(true)
  expect(view.touch(clock.now(), true)).toBe(false)
  await answer({ port: 8080 })
  expect(without()).toBe(true)
  expect(view.touch(clock.now(), true)).toBe(true)
  expect(view.snapshot?.endpoints).toMatchObject([{ port: 8080 }])
})

test('a call without a port that comes later waits, too, and all of them share one lookup', async () => {
  const { view, reasons, answer } = bench()
  void view.whenUsable()
  await answer({ awaitsPorts: true })
  const calls = [1, 2, 3].map(() => isOver(view.whenUsable(true)))
  await answer({ port: 8080 })
  expect(calls.map((isDone) => isDone())).toEqual([true, true, true])
  expect(reasons).toEqual(['expired', 'ports'])
})

test('no call waits a third time, whatever the resolver says', async () => {
  const { view, clock, reasons, answer } = bench()
  const without = isOver(view.whenUsable(true))
  await answer({ awaitsPorts: true })
  await answer({ awaitsPorts: true })
  expect(without()).toBe(true)
  expect(view.touch(clock.now(), true)).toBe(true)
  expect(reasons).toEqual(['expired', 'ports'])
})

test('a lookup that fails ends the wait: the addresses are known', async () => {
  const { view, clock, answer, fail } = bench()
  const without = isOver(view.whenUsable(true))
  await answer({ awaitsPorts: true })
  await fail()
  expect(without()).toBe(true)
  expect(view.touch(clock.now(), true)).toBe(true)
  expect(view.snapshot?.endpoints).toHaveLength(1)
})

test('a sign of a change that comes meanwhile is for the lookup after it', async () => {
  const { view, clock, reasons, answer } = bench()
  void view.whenUsable()
  await answer({ awaitsPorts: true })
  void view.whenUsable(true)
  view.refreshEarly(clock.now(), false)
  await answer({ port: 8080 })
  await clock.advance(1_000)
  expect(reasons).toEqual(['expired', 'ports', 'sign'])
})

test('answers that await nothing cost no call a second lookup', async () => {
  const { view, clock, reasons, answer } = bench()
  const without = isOver(view.whenUsable(true))
  await answer({})
  expect(without()).toBe(true)
  expect(view.touch(clock.now(), true)).toBe(true)
  expect(reasons).toEqual(['expired'])
})

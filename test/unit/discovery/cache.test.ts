import { describe, expect, test } from 'vitest'
import { ClosedError } from '../../../src/core/errors.ts'
import { taskEndpoint } from '../../../src/discovery/endpoint.ts'
import { SnapshotCache } from '../../../src/discovery/cache.ts'
import type { ServiceView } from '../../../src/discovery/view/service-view.ts'
import { parseServiceName } from '../../../src/discovery/service-name.ts'
import { manualClock, type ManualClock } from '../../../src/testing/fakes/manual-clock.ts'
import {
  scriptedResolver,
  type ScriptedAnswer,
  type ScriptedResolver,
} from '../../../src/testing/fakes/scripted-resolver.ts'
import { seededRandom } from '../../../src/testing/fakes/seeded-random.ts'
import { eventsOf } from '../../support/events.ts'

const ORDERS = parseServiceName('orders.shop.local', ['shop.local'])
const ONE = ['10.0.0.1:80']
const TWO = ['10.0.0.1:80', '10.0.0.2:80']

interface Bench {
  clock: ManualClock
  resolver: ScriptedResolver
  cache: SnapshotCache
  view: ServiceView
  /** As a call does: uses the view, waits only where it has to. */
  use(): Promise<readonly string[]>
}

function bench(
  answer: ScriptedAnswer | Promise<ScriptedAnswer>,
  ttlMs = 10_000,
  clock: ManualClock = manualClock(1_000),
): Bench {
  const resolver = scriptedResolver(clock, answer, ttlMs)
  const cache = new SnapshotCache({ resolver, clock, random: seededRandom(7) })
  const view = cache.view(ORDERS)
  return {
    clock,
    resolver,
    cache,
    view,
    async use() {
      view.usedAt = clock.now()
      if (clock.now() >= view.usableUntil) await view.whenUsable()
      if (view.snapshot === undefined) throw view.error
      return view.snapshot.endpoints.map(({ address, port }) => `${address}:${port}`)
    },
  }
}

describe('the snapshot cache', () => {
  test('1,000 cold concurrent callers make one lookup', async () => {
    const { use, resolver } = bench(ONE)
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => use()))
    expect(answers.every((answer) => answer[0] === '10.0.0.1:80')).toBe(true)
    expect(resolver.lookups).toHaveLength(1)
  })

  test('a call that comes before the timer of a refresh that is due does not wait for it', async () => {
    const manual = manualClock(1_000)
    let lateMs = 20
    // A busy process: all timers fire late.
    const busy = {
      ...manual,
      setTimer: (callback: () => void, ms: number) => manual.setTimer(callback, ms + lateMs),
    }
    const { use, clock, resolver, view } = bench(ONE, 10_000, busy)
    await use()
    resolver.answer(new Promise(() => undefined))
    await clock.advance(10_010)
    expect(resolver.lookups).toHaveLength(1)
    expect(await use()).toEqual(ONE)
    await clock.advance(10)
    expect(resolver.lookups).toHaveLength(2)
    expect(await use()).toEqual(ONE)
    // Who stood still for longer asks first.
    lateMs = 5_000
    resolver.answer(TWO)
    const stood = bench(ONE, 10_000, busy)
    await stood.use()
    await clock.advance(11_000)
    expect(clock.now()).toBeGreaterThanOrEqual(stood.view.usableUntil)
    expect(view.usableUntil).toBeGreaterThan(clock.now())
  })

  test('asks again at expiry to the millisecond, in the background, for a name in use', async () => {
    const { use, clock, resolver } = bench(ONE)
    await use()
    await clock.advance(9_999)
    expect(resolver.lookups).toHaveLength(1)
    await clock.advance(1)
    expect(resolver.lookups).toHaveLength(2)
  })

  test('serves the old answer while a refresh is under way', async () => {
    const { use, clock, resolver } = bench(ONE)
    await use()
    const slow = Promise.withResolvers<ScriptedAnswer>()
    resolver.answer(slow.promise)
    await clock.advance(10_050)
    expect(await use()).toEqual(ONE)
    slow.resolve(TWO)
    await clock.advance(0)
    expect(await use()).toEqual(TWO)
  })

  test('leaves an idle name to expire, and its next caller waits for a fresh answer', async () => {
    const { use, clock, resolver } = bench(ONE)
    await use()
    await clock.advance(300_000)
    // Refreshed while it was in use for 60 s, and then no more.
    expect(resolver.lookups).toHaveLength(7)
    expect(clock.pendingTimers).toBe(0)
    resolver.answer(TWO)
    expect(await use()).toEqual(TWO)
  })

  test.each([
    ['that does not exist', [], 1],
    ['of which nothing can be found out', new Error('SERVFAIL'), 3],
  ])('a name %s is looked up when somebody uses it, and not for long after', async (_, answer, lookups) => {
    const { use, clock, resolver } = bench(answer, 1_000)
    await use().catch(() => undefined)
    await clock.advance(60_000)
    expect(resolver.lookups).toHaveLength(lookups)
    expect(clock.pendingTimers).toBe(0)
    await use().catch(() => undefined)
    expect(resolver.lookups).toHaveLength(lookups + 1)
    // In use, it is asked for again before somebody has to wait.
    for (let tenth = 0; tenth < 100; tenth++) {
      await clock.advance(100)
      await use().catch(() => undefined)
    }
    const inUse = resolver.lookups.length
    expect(inUse).toBeGreaterThan(4)
    resolver.answer(ONE)
    await clock.advance(5_000)
    expect(await use()).toEqual(ONE)
  })

  test('a TTL of 0 does not mean a lookup per call', async () => {
    const { use, clock, resolver } = bench(ONE, 0)
    await use()
    await use()
    await clock.advance(999)
    await use()
    expect(resolver.lookups).toHaveLength(1)
  })

  test('a failed refresh leaves the last good set, for an hour', async () => {
    const { use, clock, resolver, view } = bench(ONE)
    await use()
    resolver.answer(new Error('SERVFAIL'))
    for (let minute = 0; minute < 59; minute++) {
      await clock.advance(60_000)
      expect(await use()).toEqual(ONE)
    }
    expect(view.error?.message).toContain('SERVFAIL')
    await clock.advance(120_000)
    await expect(use()).rejects.toThrow('SERVFAIL')
  })

  test('comes back by itself when the source does', async () => {
    const { use, clock, resolver, view } = bench(ONE)
    await use()
    resolver.answer(new Error('SERVFAIL'))
    await clock.advance(30_000)
    resolver.answer(TWO)
    await use()
    await clock.advance(60_000)
    expect(await use()).toEqual(TWO)
    expect(view.error).toBeUndefined()
  })

  test('with nothing to serve, calls between the few tries fail at once', async () => {
    const { use, clock, resolver } = bench(new Error('SERVFAIL'))
    for (let second = 0; second < 60; second++) {
      await expect(use()).rejects.toThrow('SERVFAIL')
      await clock.advance(1_000)
    }
    expect(resolver.lookups.length).toBeGreaterThan(10)
    expect(resolver.lookups.length).toBeLessThan(45)
  })

  test('an empty answer after a non-empty one is believed after 30 s, not before', async () => {
    const { use, clock, resolver } = bench(ONE, 5_000)
    await use()
    resolver.answer([])
    await clock.advance(5_000)
    expect(await use()).toEqual(ONE)
    await clock.advance(25_000)
    expect(await use()).toEqual(ONE)
    await clock.advance(10_000)
    expect(await use()).toEqual([])
  })

  test('an empty answer that goes away again changes nothing', async () => {
    const { use, clock, resolver, view } = bench(TWO, 5_000)
    await use()
    const endpoints = view.snapshot?.endpoints
    resolver.answer([])
    await clock.advance(10_000)
    resolver.answer(TWO)
    await clock.advance(5_000)
    await use()
    expect(view.snapshot?.endpoints).toBe(endpoints)
  })

  test('says once that an empty answer is held, and since when answers are empty', async () => {
    const held = eventsOf('onehop:snapshot.held')
    const { use, clock, resolver, view } = bench(TWO, 5_000)
    await use()
    resolver.answer([])
    await clock.advance(20_000)
    expect(held).toEqual([{ host: ORDERS.host, source: 'scripted', endpoints: 2, forMs: 30_000 }])
    expect(clock.now() - (view.emptySince ?? 0)).toBe(15_000)
    await use()
    await clock.advance(30_000)
    expect(await use()).toEqual([])
    expect(clock.now() - (view.emptySince ?? 0)).toBe(45_000)
    resolver.answer(TWO)
    await clock.advance(5_000)
    expect(view.emptySince).toBeUndefined()
    expect(held).toHaveLength(1)
  })

  test('a failure between two empty answers does not end the hold, nor lengthen it', async () => {
    const { use, clock, resolver } = bench(ONE, 5_000)
    await use()
    resolver.answer([])
    await clock.advance(5_000)
    resolver.answer(new Error('SERVFAIL'))
    await clock.advance(15_000)
    resolver.answer([])
    await clock.advance(14_000)
    expect(await use()).toEqual(ONE)
    await clock.advance(12_000)
    expect(await use()).toEqual([])
  })

  test('a refused connection asks early, once a second; every 5 s while the source fails and calls do not', async () => {
    const { use, clock, resolver, view } = bench(ONE, 60_000)
    await use()
    const askedWithin = async (seconds: number, callsFail = false): Promise<number> => {
      const before = resolver.lookups.length
      for (let tenth = 0; tenth < seconds * 10; tenth++) {
        await clock.advance(100)
        view.refreshEarly(clock.now(), callsFail)
      }
      return resolver.lookups.length - before
    }
    expect(await askedWithin(10)).toBe(10)
    resolver.answer(new Error('RequestLimitExceeded'))
    // Until its own backoff (at most 1, 2, 4, 8 s and so on) is longer than that.
    await askedWithin(60)
    expect(await askedWithin(60)).toBeLessThanOrEqual(14)
    expect(await askedWithin(10, true)).toBe(10)
  })

  test('when the next lookup is due is known', async () => {
    const { use, clock, view, cache } = bench(ONE)
    expect(view.dueAt).toBe(Number.POSITIVE_INFINITY)
    await use()
    expect(view.dueAt).toBe(clock.now() + 10_000)
    await clock.advance(300_000)
    expect(view.dueAt).toBe(Number.POSITIVE_INFINITY)
    await use()
    await cache.close()
    expect(view.dueAt).toBe(Number.POSITIVE_INFINITY)
  })

  test('after a pause, samples from before it do not count', async () => {
    const { use, clock, resolver } = bench([])
    resolver.sample(ONE)
    await use()
    resolver.sample(['10.0.0.2:80'])
    await clock.advance(10_000)
    expect(await use()).toEqual(TWO)
    await clock.advance(600_000)
    resolver.sample(['10.0.0.3:80'])
    expect(await use()).toEqual(['10.0.0.3:80'])
  })

  test('the same set in another order is the same array: identity means change', async () => {
    const { use, clock, resolver, view } = bench(TWO)
    await use()
    const endpoints = view.snapshot?.endpoints
    resolver.answer(TWO.toReversed())
    await clock.advance(10_000)
    expect(resolver.lookups).toHaveLength(2)
    expect(view.snapshot?.endpoints).toBe(endpoints)
  })

  test('close ends lookups under way and timers, and refuses what comes after', async () => {
    const { use, clock, cache, view, resolver } = bench(ONE)
    await use()
    const never = Promise.withResolvers<ScriptedAnswer>()
    resolver.answer(never.promise)
    await clock.advance(10_000)
    const idle = cache.view(parseServiceName('stock.shop.local', ['shop.local']))
    const waiting = idle.whenUsable()
    await cache.close()
    await expect(waiting).rejects.toBeInstanceOf(ClosedError)
    await expect(view.whenUsable()).rejects.toBeInstanceOf(ClosedError)
    expect(() => cache.view(parseServiceName('other.shop.local', ['shop.local']))).toThrow(ClosedError)
    expect(clock.pendingTimers).toBe(0)
  })

  test('forgets the least recently asked for beyond 1,000 services, but none that is held', async () => {
    const { cache, clock, view, use } = bench(ONE)
    await use()
    const stock = parseServiceName('stock.shop.local', ['shop.local'])
    const held = cache.hold(stock)
    expect(cache.hold(stock)).toBe(held)
    await held.whenUsable()
    for (let i = 0; i < 1_000; i++)
      await cache.view(parseServiceName(`s${i}.shop.local`, ['shop.local'])).whenUsable()
    expect(cache.views()).toHaveLength(1_001)
    expect(cache.views()).not.toContain(view)
    expect(cache.view(stock)).toBe(held)
    expect(held.usableUntil).toBeGreaterThan(clock.now())
    // Who still has a forgotten one gets an answer, and no timer goes on for it.
    expect(await use()).toEqual(ONE)
    cache.release(stock)
    expect(cache.view(stock)).toBe(held)
    cache.release(stock)
    expect(cache.view(stock)).toBe(held)
    await cache.close()
    expect(clock.pendingTimers).toBe(0)
  })

  test('an empty answer after a long pause is believed at once: what was true then may be another service by now', async () => {
    const { use, clock, resolver } = bench(ONE)
    await use()
    await clock.advance(7 * 86_400_000)
    resolver.answer([])
    expect(await use()).toEqual([])
  })

  test.each([
    ['no object', undefined, 'undefined, not an object'],
    ['no endpoints', {}, 'endpoints must be an array'],
    ['no expiry', { endpoints: [] }, 'expiresAt must be a number'],
    [
      'the wall clock',
      { endpoints: [], expiresAt: Date.now() },
      "it counts on the client's clock, performance.now()",
    ],
    [
      'strings',
      { endpoints: ['10.0.0.1:80'], expiresAt: 1 },
      'endpoints[0] is "10.0.0.1:80"; make it with taskEndpoint',
    ],
    [
      'no address',
      { endpoints: [{ port: 80, weight: 1 }], expiresAt: 1 },
      'endpoints[0].address must be a string',
    ],
    [
      'a port that is none',
      { endpoints: [{ address: '10.0.0.1', port: 0, weight: 1 }], expiresAt: 1 },
      '.port must be an integer from 1 to 65535',
    ],
    ['a bigint', { endpoints: [1n], expiresAt: 1 }, 'endpoints[0] is 1; make it with taskEndpoint'],
    ['no word on completeness', { endpoints: [], expiresAt: 1 }, 'complete is neither true nor false'],
    ['no weight', { endpoints: [{ address: '10.0.0.1' }], expiresAt: 1 }, '.weight must be a number above 0'],
    [
      'a weight whose sums are not numbers',
      { endpoints: [taskEndpoint('10.0.0.1', { weight: 1.7e308 })], expiresAt: 1 },
      '.weight must be a number above 0',
    ],
  ])('a resolver that returns %s is told what is wrong', async (_what, snapshot, message) => {
    const resolver = { resolve: () => Promise.resolve(snapshot as never) }
    const view = new SnapshotCache({ resolver, clock: manualClock(), random: seededRandom(1) }).view(ORDERS)
    await view.whenUsable()
    expect(view.error?.message).toContain(message)
  })

  test('a resolver that ignores its signal holds up neither callers for ever, nor close', async () => {
    const { clock, cache, view } = bench(ONE)
    const deaf = new SnapshotCache({
      resolver: { resolve: () => new Promise(() => undefined) },
      clock,
      random: seededRandom(1),
    })
    const asked = deaf.view(ORDERS)
    const waiting = asked.whenUsable()
    await clock.advance(30_000)
    await waiting
    expect(asked.error?.message).toContain('no answer in 30000 ms')
    const again = expect(asked.whenUsable()).rejects.toBeInstanceOf(ClosedError)
    await deaf.close()
    await again
    await cache.close()
    expect(view.snapshot).toBeUndefined()
    expect(clock.pendingTimers).toBe(0)
  })
})

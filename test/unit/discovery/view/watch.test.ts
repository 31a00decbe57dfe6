import { AsyncLocalStorage } from 'node:async_hooks'
import { expect, test } from 'vitest'
import { SnapshotCache } from '../../../../src/discovery/cache.ts'
import type { Snapshot } from '../../../../src/discovery/endpoint.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import { Watch, type SnapshotListener } from '../../../../src/discovery/view/watch.ts'
import { manualClock, type ManualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import {
  scriptedResolver,
  type ScriptedAnswer,
  type ScriptedResolver,
} from '../../../../src/testing/fakes/scripted-resolver.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'

const SERVICE = parseServiceName('orders.shop.local', ['shop.local'])
const TTL_MS = 10_000

interface World {
  readonly clock: ManualClock
  readonly resolver: ScriptedResolver
  readonly cache: SnapshotCache
  readonly watch: (listener: SnapshotListener) => Watch
}

function world(answer: ScriptedAnswer): World {
  const clock = manualClock()
  const resolver = scriptedResolver(clock, answer, TTL_MS)
  const cache = new SnapshotCache({ resolver, clock, random: seededRandom(1) })
  const watch = (listener: SnapshotListener): Watch =>
    new Watch(cache.hold(SERVICE), listener, clock, () => cache.release(SERVICE))
  return { clock, resolver, cache, watch }
}

function addresses({ endpoints }: Snapshot): string[] {
  return endpoints.map(({ address }) => address)
}

test('a listener gets the first set when it is there, and each other set', async () => {
  const { clock, resolver, watch } = world(['10.0.0.1:80'])
  const passed: string[][] = []
  watch((snapshot) => passed.push(addresses(snapshot)))
  expect(passed).toEqual([])
  await clock.advance(0)
  expect(passed).toEqual([['10.0.0.1']])
  resolver.answer(['10.0.0.1:80', '10.0.0.2:80'])
  await clock.advance(TTL_MS)
  expect(passed).toEqual([['10.0.0.1'], ['10.0.0.1', '10.0.0.2']])
})

test('a listener gets what is known before watch returns, and no lookup is made for it', async () => {
  const { clock, resolver, watch } = world(['10.0.0.1:80'])
  watch(() => undefined)
  await clock.advance(0)
  const passed: string[][] = []
  watch((snapshot) => passed.push(addresses(snapshot)))
  expect(passed).toEqual([['10.0.0.1']])
  expect(resolver.lookups).toHaveLength(1)
})

test('lookups with the same endpoints are not passed', async () => {
  const { clock, resolver, watch } = world(['10.0.0.1:80'])
  let count = 0
  watch(() => void count++)
  await clock.advance(5 * TTL_MS)
  expect(resolver.lookups.length).toBeGreaterThan(4)
  expect(count).toBe(1)
})

test('a watched view stays fresh without calls, and only as long as it is watched', async () => {
  const { clock, resolver, cache, watch } = world(['10.0.0.1:80'])
  const one = watch(() => undefined)
  const other = watch(() => undefined)
  await clock.advance(600_000)
  expect(resolver.lookups).toHaveLength(61)
  expect(cache.view(SERVICE).touch(clock.now())).toBe(true)
  one[Symbol.dispose]()
  one[Symbol.dispose]()
  await clock.advance(600_000)
  expect(resolver.lookups.length).toBeGreaterThan(120)
  other[Symbol.dispose]()
  const before = resolver.lookups.length
  await clock.advance(600_000)
  expect(resolver.lookups.length - before).toBeLessThan(8)
  expect(clock.pendingTimers).toBe(0)
})

test('a service that has no endpoints yet is asked for until it has', async () => {
  const { clock, resolver, watch } = world([])
  const passed: string[][] = []
  watch((snapshot) => passed.push(addresses(snapshot)))
  await clock.advance(300_000)
  expect(passed).toEqual([[]])
  resolver.answer(['10.0.0.1:80'])
  await clock.advance(TTL_MS)
  expect(passed).toEqual([[], ['10.0.0.1']])
})

test('a lookup that fails is repeated, and passes nothing', async () => {
  const { clock, resolver, watch } = world(new Error('SERVFAIL'))
  const passed: string[][] = []
  watch((snapshot) => passed.push(addresses(snapshot)))
  await clock.advance(60_000)
  expect(passed).toEqual([])
  resolver.answer(['10.0.0.1:80'])
  await clock.advance(5_000)
  expect(passed).toEqual([['10.0.0.1']])
})

test('what expired before the watch is not passed until a lookup has confirmed it, or has failed', async () => {
  const { clock, resolver, watch } = world(['10.0.0.1:80'])
  watch(() => undefined)[Symbol.dispose]()
  await clock.advance(600_000)
  const passed: string[][] = []
  const first = watch((snapshot) => passed.push(addresses(snapshot)))
  expect(passed).toEqual([])
  await clock.advance(0)
  expect(passed).toEqual([['10.0.0.1']])
  first[Symbol.dispose]()
  await clock.advance(600_000)
  resolver.answer(new Error('SERVFAIL'))
  watch((snapshot) => passed.push(addresses(snapshot)))
  await clock.advance(0)
  expect(passed).toEqual([['10.0.0.1'], ['10.0.0.1']])
})

test('nothing is passed after dispose, also by a lookup under way, nor after close', async () => {
  const { clock, resolver, cache, watch } = world(['10.0.0.1:80'])
  const passed: string[] = []
  const disposed = watch(() => passed.push('disposed'))
  const closed = watch(() => passed.push('closed'))
  disposed[Symbol.dispose]()
  await cache.close()
  await clock.advance(60_000)
  expect(passed).toEqual([])
  expect(resolver.lookups).toHaveLength(1)
  expect(clock.pendingTimers).toBe(0)
  closed[Symbol.dispose]()
  cache.forget()
  expect(cache.views()).toHaveLength(0)
})

test('a listener may dispose of its own watch and of others, and add one', async () => {
  const { clock, resolver, watch } = world(['10.0.0.1:80'])
  const passed: string[] = []
  const first = watch(() => {
    passed.push('first')
    first[Symbol.dispose]()
    second[Symbol.dispose]()
    watch(() => passed.push('third'))
  })
  const second = watch(() => passed.push('second'))
  await clock.advance(0)
  expect(passed).toEqual(['first', 'third'])
  resolver.answer(['10.0.0.2:80'])
  await clock.advance(TTL_MS)
  expect(passed).toEqual(['first', 'third', 'third'])
})

test('each listener runs in the async context of its watch', async () => {
  const { clock, watch } = world(['10.0.0.1:80'])
  const trace = new AsyncLocalStorage<string>()
  const seen: unknown[] = []
  trace.run('one', () => watch(() => seen.push(trace.getStore())))
  trace.run('two', () => watch(() => seen.push(trace.getStore())))
  await clock.advance(0)
  expect(seen).toEqual(['one', 'two'])
})

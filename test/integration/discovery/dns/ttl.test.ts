/** When DNS is asked again: real messages, on virtual time. */
import { expect, test } from 'vitest'
import { SnapshotCache } from '../../../../src/discovery/cache.ts'
import { dnsResolver } from '../../../../src/discovery/dns/resolver.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import type { ServiceView } from '../../../../src/discovery/view/service-view.ts'
import { manualClock, type ManualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { seededRandom } from '../../../../src/testing/fakes/seeded-random.ts'
import { resources } from '../../../support/resources.ts'
import { a, NXDOMAIN, response, soa, udpServer, type Sections } from '../../../support/dns/servers.ts'

const HOST = 'orders.shop.local'
const START_MS = 1_000
const { keep } = resources()

interface Steady {
  readonly clock: ManualClock
  readonly view: ServiceView
  /** When the server was asked for A records, in ms since the first lookup. */
  readonly askedAt: readonly number[]
  /** Virtual time, in which the name is in use. */
  pass(ms: number, stepMs?: number): Promise<void>
}

/** A name in steady use, at a server that answers for the time at which it is asked. */
async function steady(answer: (now: number) => Sections): Promise<Steady> {
  const clock = manualClock(START_MS)
  const askedAt: number[] = []
  const { server } = await udpServer((query, reply) => {
    if (query.questions?.[0]?.type === 'A') askedAt.push(clock.now() - START_MS)
    reply(response(query, answer(clock.now() - START_MS)))
  })
  const resolver = dnsResolver({ servers: [server], clock })
  const cache = new SnapshotCache({ resolver, clock, random: seededRandom(1) })
  keep({ [Symbol.asyncDispose]: () => cache.close() })
  const view = cache.view(parseServiceName(HOST, ['shop.local']))
  await view.whenUsable()
  return {
    clock,
    view,
    askedAt,
    async pass(ms, stepMs = 1_000) {
      for (let passed = 0; passed < ms; passed += stepMs) {
        view.usedAt = clock.now()
        await clock.advance(Math.min(stepMs, ms - passed))
        // Lookups take real time.
        while (view.lookups > view.refreshes + view.failures)
          await new Promise((resolve) => setImmediate(resolve))
      }
    },
  }
}

function records(ttl: number): Sections {
  return { answers: [a(HOST, '10.0.0.1', ttl), a(HOST, '10.0.0.2', ttl + 5)] }
}

test('a TTL of 30 s: asked again when it is over, to the millisecond, and not before', async () => {
  const { askedAt, pass, view } = await steady(() => records(30))
  expect(view.dueAt).toBe(START_MS + 30_000)
  await pass(29_999)
  expect(askedAt).toEqual([0])
  await pass(1)
  expect(askedAt).toEqual([0, 30_000])
  await pass(270_000)
  expect(askedAt).toEqual([0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300].map((second) => second * 1_000))
})

test('a TTL of 0 is one of 1 s, and one of an hour is one of 60 s', async () => {
  const brief = await steady(() => records(0))
  await brief.pass(10_000)
  expect(brief.askedAt).toHaveLength(11)
  const long = await steady(() => records(3_600))
  await long.pass(120_000)
  expect(long.askedAt).toEqual([0, 60_000, 120_000])
})

test.each([
  ['exactly', 0],
  ['rounded down to seconds', 400],
])('a cache with falling TTLs, told %s, is asked at most once more in each TTL', async (_, offsetMs) => {
  const TTL = 10
  // What a caching resolver does: it keeps an answer for its TTL from the query that fetched it.
  let fetchedAt = -(7_000 + offsetMs)
  const { askedAt, pass } = await steady((now) => {
    if (now >= fetchedAt + TTL * 1_000) fetchedAt = now
    return { answers: [a(HOST, '10.0.0.1', Math.floor((fetchedAt + TTL * 1_000 - now) / 1_000))] }
  })
  await pass(300_000, 100)
  expect(askedAt.length).toBeGreaterThanOrEqual(30)
  expect(askedAt.length).toBeLessThanOrEqual(2 * 30)
  // Nothing is served beyond what the cache said.
  const gaps = askedAt.slice(1).map((at, index) => at - (askedAt[index] ?? 0))
  expect(Math.max(...gaps)).toBeLessThanOrEqual(10_000)
})

test.each([
  ['the lesser of the SOA TTL and its MINIMUM', { authorities: [soa('shop.local', 7, 300)] }, 7_000],
  ['the other way round', { authorities: [soa('shop.local', 300, 4)] }, 4_000],
  ['10 s at most', { authorities: [soa('shop.local', 900, 900)] }, 10_000],
  ['1 s without an SOA', {}, 1_000],
])('a name that does not exist is asked for again after %s', async (_, sections, ms) => {
  const { askedAt, pass } = await steady(() => ({ rcode: NXDOMAIN, ...sections }))
  await pass(ms - 1, 500)
  expect(askedAt).toEqual([0])
  await pass(1)
  expect(askedAt).toEqual([0, ms])
})

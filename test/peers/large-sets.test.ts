/** Sets that do not fit into a datagram, and servers that would rather be asked over TCP. */
import { describe, expect, test } from 'vitest'
import { manualClock } from '../../src/testing/fakes/manual-clock.ts'
import { eventsOf } from '../support/events.ts'
import { resources } from '../support/resources.ts'
import { clientOf, HOST, inspect } from './clients.ts'
import { addresses, lookUp } from './lookups.ts'
import { startNamed, type LoggedQuery } from './named.ts'
import { startUnbound } from './unbound.ts'
import { until } from '../support/until.ts'

const { keep } = resources()

/** The records of `count` tasks: their addresses. */
const hosts = (count: number): string[] => addresses(count).map((address) => `orders A ${address}`)

/** SRV records, each to a target of its own, as Cloud Map has them. `idLength`: of what tells targets apart. */
const services = (count: number, idLength = 8): string[] =>
  addresses(count).flatMap((address, index) => {
    const target = `${String(index).padStart(idLength, 'task')}.orders`
    return [`orders SRV 1 1 ${8000 + index} ${target}`, `${target} A ${address}`]
  })

const places = (count: number): string[] =>
  addresses(count)
    .map((address, index) => `${address}:${8000 + index}`)
    .toSorted()

const how = (queries: readonly LoggedQuery[]): string[] =>
  queries.map(({ type, overTcp }) => `${type} over ${overTcp ? 'TCP' : 'UDP'}`)

test('40 addresses fit into the datagram that EDNS allows, and are read whole', async () => {
  const named = keep(await startNamed({ zones: { 'shop.local': { records: hosts(40) } } }))
  const told = await lookUp(named.server, HOST)
  expect(told).toEqual({ places: addresses(40), ttlMs: 30_000, complete: false })
  expect(how(await named.queries())).toEqual(['A over UDP'])
})

test.each([
  ['the datagrams of EDNS', 90, []],
  ['the datagrams of a server that sends small ones', 40, ['max-udp-size 512']],
])('a set of addresses that is too large for %s is read whole, over TCP', async (_, count, options) => {
  const named = keep(await startNamed({ zones: { 'shop.local': { records: hosts(count) } }, options }))
  expect((await lookUp(named.server, HOST)).places).toEqual(addresses(count))
  expect(how(await named.queries())).toEqual(['A over UDP', 'A over TCP'])
})

describe('SRV records', () => {
  test('40 of them, without addresses in the answer of BIND, are read over TCP, and their targets are looked up', async () => {
    const zones = { 'shop.local': { records: services(40) } }
    const named = keep(await startNamed({ zones, options: ['minimal-responses no'] }))
    const told = await lookUp(named.server, HOST, { record: 'srv' })
    expect(told).toEqual({ places: places(40), ttlMs: 30_000, complete: false })
    const [first, second, ...more] = how(await named.queries())
    expect([first, second]).toEqual(['SRV over UDP', 'SRV over TCP'])
    expect(more).toEqual(Array.from({ length: 40 }, () => 'A over UDP'))
  })

  // Beyond 13 targets BIND adds no addresses to an answer, however it is sent (its fix of CVE-2024-11187).
  test('13 with long names are read over TCP, with their addresses', async () => {
    const zones = { 'shop.local': { records: services(13, 60) } }
    const named = keep(await startNamed({ zones, options: ['minimal-responses no'] }))
    expect((await lookUp(named.server, HOST, { record: 'srv' })).places).toEqual(places(13))
    expect(how(await named.queries())).toEqual(['SRV over UDP', 'SRV over TCP'])
  })

  test('of an answer that has room for some of their addresses, the others are asked for', async () => {
    const zones = { 'shop.local': { records: services(13, 38) } }
    const named = keep(await startNamed({ zones, options: ['minimal-responses no'] }))
    expect((await lookUp(named.server, HOST, { record: 'srv' })).places).toEqual(places(13))
    const [first, ...more] = how(await named.queries())
    expect(first).toBe('SRV over UDP')
    expect(more.length).toBeGreaterThan(0)
    expect(more.length).toBeLessThan(13)
    expect(new Set(more)).toEqual(new Set(['A over UDP']))
  })
})

test('large sets come through a cache whole', async () => {
  const zones = {
    'shop.local': { records: hosts(90) },
    'web.local': { records: services(40) },
  }
  const named = keep(await startNamed({ zones }))
  const unbound = keep(await startUnbound({ 'shop.local': named.port, 'web.local': named.port }))
  expect((await lookUp(unbound.server, HOST)).places).toEqual(addresses(90))
  const told = await lookUp(unbound.server, 'orders.web.local', { record: 'srv' })
  expect(told.places).toEqual(places(40))
})

test('a server that, being asked too often, truncates every answer is asked over TCP', async () => {
  const named = keep(
    await startNamed({
      zones: { 'shop.local': { records: hosts(3) } },
      options: ['rate-limit { responses-per-second 1; slip 1; window 3600; }'],
    }),
  )
  const lookUps = Array.from({ length: 10 }, () => lookUp(named.server, HOST))
  for (const { places: found } of await Promise.all(lookUps)) expect(found).toEqual(addresses(3))
  expect(how(await named.queries()).filter((query) => query === 'A over TCP').length).toBeGreaterThan(5)
})

test('a server that takes no datagrams at all is asked over TCP', async () => {
  const named = keep(await startNamed({ zones: { 'shop.local': { records: hosts(3) } } }))
  const unbound = keep(await startUnbound({ 'shop.local': named.port }, ['do-udp: no', 'tcp-upstream: yes']))
  expect((await lookUp(unbound.server, HOST)).places).toEqual(addresses(3))
})

test.each([
  ['random', 3],
  ['random', 40],
  ['cyclic', 3],
  ['cyclic', 40],
  ['none', 3],
])('records in another order (%s, %i of them) are no change', async (order, count) => {
  const named = keep(
    await startNamed({
      zones: { 'shop.local': { records: hosts(count) } },
      options: [`rrset-order { order ${order}; }`],
    }),
  )
  const changes = eventsOf('onehop:snapshot.changed')
  const clock = manualClock()
  const client = keep(clientOf([named.server], { clock }))
  const { endpoints } = await client.resolve(HOST)
  expect(endpoints.map(({ address }) => address).toSorted()).toEqual(addresses(count))
  for (let refresh = 2; refresh < 8; refresh++) {
    // Time stands still until the answer is there, so that none comes late.
    await clock.advance(30_000)
    await until(() => inspect(client)?.refreshes === refresh, 'the answer is there')
    expect((await client.resolve(HOST)).endpoints).toBe(endpoints)
  }
  expect(changes).toHaveLength(1)
})

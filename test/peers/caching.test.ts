/** unbound between clients and BIND: TTLs that fall. */
import { expect, test } from 'vitest'
import { resources } from '../support/resources.ts'
import type { TestServer } from '../support/servers.ts'
import { call, clientOf, HOST, inspect } from './clients.ts'
import { lookUp } from './lookups.ts'
import { startNamed, type Named, type Zone } from './named.ts'
import { startRelay, type Exchange, type Relay } from './relay.ts'
import { startUnbound } from './unbound.ts'
import { until } from '../support/until.ts'

const { keep, servers } = resources()

/** Client → `atCache` → unbound → `atAuthority` → BIND. */
async function startBoth(zone: Zone): Promise<{ named: Named; atCache: Relay; atAuthority: Relay }> {
  const named = keep(await startNamed({ zones: { 'shop.local': zone } }))
  const atAuthority = keep(await startRelay(named))
  const unbound = keep(await startUnbound({ 'shop.local': atAuthority.port }))
  return { named, atAuthority, atCache: keep(await startRelay(unbound)) }
}

/** Those for the service; unbound may have questions of its own. */
const asked = ({ exchanges }: Relay): readonly Exchange[] =>
  exchanges.filter(({ name, type }) => name === HOST && type === 'A')

/** What an answer allows: its TTL, which is at least 1 s for us. */
const allowedMs = ({ ttlSeconds = 0 }: Exchange): number => Math.max(1, ttlSeconds) * 1000

test('a cached answer is fresh for what is left of its TTL, and costs the authority nothing', async () => {
  const { atCache, atAuthority } = await startBoth({ records: ['orders 20 A 10.0.1.5'] })
  expect(await lookUp(atCache.server, HOST)).toEqual({
    places: ['10.0.1.5'],
    ttlMs: 20_000,
    complete: true,
  })
  const { length } = asked(atAuthority)
  await until(async () => {
    const { ttlMs } = await lookUp(atCache.server, HOST)
    expect(ttlMs).toBe((atCache.exchanges.at(-1)?.ttlSeconds ?? 0) * 1000)
    return ttlMs <= 18_000
  }, '18 s are left')
  expect(asked(atAuthority)).toHaveLength(length)
})

test('a negative answer is kept by both, for what is left of its TTL', async () => {
  // Longer than an update takes on a busy machine, so that some lookups come between it and the end of this.
  const { named, atCache, atAuthority } = await startBoth({ minimum: 9, records: [] })
  expect(await lookUp(atCache.server, HOST)).toEqual({ places: [], ttlMs: 9_000, complete: true })
  const { length } = asked(atAuthority)
  await named.update('shop.local', `update add ${HOST} 20 A 10.0.1.5`)
  const negative: number[] = []
  await until(async () => {
    const { places, ttlMs } = await lookUp(atCache.server, HOST)
    if (places.length > 0) return true
    const exchange = asked(atCache).at(-1)
    expect(exchange).toMatchObject({ rcode: 'NXDOMAIN' })
    expect(ttlMs).toBe(exchange && allowedMs(exchange))
    negative.push(ttlMs)
    return false
  }, 'the new record is found')
  expect(negative.length).toBeGreaterThan(0)
  expect(negative).toEqual(negative.toSorted((one, other) => other - one))
  expect(
    asked(atAuthority)
      .slice(length)
      .map(({ rcode }) => rcode),
  ).toEqual(['NOERROR'])
})

test('a client in steady use asks when the TTL of the answer is over, and at most twice for each query to the authority', async () => {
  const [task] = (await servers(1)) as [TestServer]
  const { atCache, atAuthority } = await startBoth({ records: ['orders 2 A 127.0.1.1'] })
  const client = keep(clientOf([atCache.server], { port: task.port }))
  await until(async () => {
    expect(await call(client)).toBe(task.label)
    const last = asked(atCache).at(-1)
    const { expiresInMs = 0, lookups = 0, refreshes } = inspect(client) ?? {}
    // While none is under way, the last answer is the one that is served.
    if (last !== undefined && lookups === refreshes) expect(expiresInMs).toBeLessThanOrEqual(allowedMs(last))
    return asked(atAuthority).length >= 4
  }, 'the authority was asked 4 times')

  const exchanges = asked(atCache)
  for (const [index, exchange] of exchanges.entries()) {
    const next = exchanges[index + 1]
    // Node's timers go by whole milliseconds.
    if (next !== undefined)
      expect(next.askedAt - exchange.answeredAt).toBeGreaterThan(allowedMs(exchange) - 10)
  }
  expect(exchanges.length).toBeLessThanOrEqual(asked(atAuthority).length * 2)
  expect(inspect(client)).toMatchObject({ failedLookups: 0 })
})

test('an alias into a zone of another authority is followed by the cache', async () => {
  const shop = keep(
    await startNamed({ zones: { 'shop.local': { records: ['orders 20 CNAME orders.other.local.'] } } }),
  )
  const other = keep(await startNamed({ zones: { 'other.local': { records: ['Orders 7 A 10.0.3.1'] } } }))
  const unbound = keep(await startUnbound({ 'shop.local': shop.port, 'other.local': other.port }))
  const relay = keep(await startRelay(unbound))
  expect(await lookUp(relay.server, HOST)).toEqual({ places: ['10.0.3.1'], ttlMs: 7_000, complete: true })
  expect(relay.exchanges).toHaveLength(1)
})

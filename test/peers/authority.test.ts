/** What BIND says of a name, and what becomes of it. */
import { ResolutionFailedError } from 'onehop'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { failureOf } from '../support/failure-of.ts'
import { clientOf } from './clients.ts'
import { lookUp } from './lookups.ts'
import { startNamed, type LoggedQuery, type Named } from './named.ts'

let named: Named
/** The same, but answers hold nothing beyond what was asked for. */
let terse: Named

const ZONES = {
  'shop.local': {
    records: [
      'Orders 17 A 10.0.1.5',
      'Orders 17 A 10.0.1.6',
      'minute 60 A 10.0.1.5',
      'hour 3600 A 10.0.1.5',
      'never 0 A 10.0.1.5',
      'six 12 AAAA fd00:1::5',
      'both 20 A 10.0.1.7',
      'both 9 AAAA fd00:1::7',
      'web 21 SRV 1 10 8080 T1.Web',
      'web 21 SRV 1 30 8081 t2.web',
      'web 21 SRV 2 10 9999 t3.web',
      't1.Web 15 A 10.0.2.1',
      't2.web 19 AAAA fd00:2::2',
      't3.web A 10.0.2.3',
      '_http._tcp.orders 14 SRV 1 1 8080 orders',
      'alias 40 CNAME Middle',
      'middle 6 CNAME ORDERS',
      'abroad 8 CNAME Target.Other.local.',
      'stranger CNAME orders.shop.example.',
      'to-nothing 3 CNAME nothing',
      '_http._tcp.alias 7 CNAME _http._tcp.orders',
      '*.canary 11 A 10.0.1.9',
      'text TXT "no address"',
      'sub NS ns.sub',
      'ns.sub A 127.0.0.1',
    ],
  },
  'other.local': { records: ['TARGET 33 A 10.0.3.1'] },
  'soa-ttl.local': { soaTtl: 3, minimum: 600, records: ['text TXT "no address"'] },
  'soa-minimum.local': { soaTtl: 600, minimum: 4, records: ['text TXT "no address"'] },
  'soa-long.local': { soaTtl: 3600, minimum: 3600, records: ['text TXT "no address"'] },
  'soa-zero.local': { soaTtl: 3600, minimum: 0, records: ['text TXT "no address"'] },
}

beforeAll(async () => {
  named = await startNamed({ zones: ZONES, options: ['minimal-responses no'] })
  terse = await startNamed({ zones: ZONES, options: ['minimal-responses yes'] })
})

afterAll(async () => {
  await named?.[Symbol.asyncDispose]()
  await terse?.[Symbol.asyncDispose]()
})

const told = (queries: readonly LoggedQuery[]): string[] => queries.map(({ name, type }) => `${name} ${type}`)

describe('addresses', () => {
  test('A records are found by one question, with their TTL', async () => {
    await named.queries()
    expect(await lookUp(named.server, 'orders.shop.local')).toEqual({
      places: ['10.0.1.5', '10.0.1.6'],
      ttlMs: 17_000,
      complete: true,
    })
    expect(told(await named.queries())).toEqual(['orders.shop.local A'])
  })

  test.each([
    ['never', 1_000],
    ['minute', 60_000],
    ['hour', 60_000],
  ])('TTLs are kept within 1 s and 60 s (%s)', async (name, ttlMs) => {
    expect(await lookUp(named.server, `${name}.shop.local`)).toMatchObject({ places: ['10.0.1.5'], ttlMs })
  })

  test('a name with AAAA records alone is found by them', async () => {
    expect(await lookUp(named.server, 'six.shop.local')).toMatchObject({
      places: ['fd00:1::5'],
      ttlMs: 12_000,
    })
  })

  test.each([
    [{}, ['10.0.1.7'], 20_000],
    [{ family: 'ipv4' }, ['10.0.1.7'], 20_000],
    [{ family: 'ipv6' }, ['fd00:1::7'], 9_000],
    [{ family: 'dual' }, ['10.0.1.7', 'fd00:1::7'], 9_000],
  ] as const)(
    'of a dual stack name the families that were chosen are taken (%j)',
    async (options, places, ttlMs) => {
      expect(await lookUp(named.server, 'both.shop.local', options)).toMatchObject({ places, ttlMs })
    },
  )

  test('a wildcard matches any name under it', async () => {
    expect(await lookUp(named.server, 'blue.canary.shop.local')).toMatchObject({
      places: ['10.0.1.9'],
      ttlMs: 11_000,
    })
  })

  test.each(['ORDERS.Shop.LOCAL', 'orders.shop.local.'])(
    'a host in any spelling is the one name that the zone has in another (%s)',
    async (host) => {
      await using client = clientOf([named.server])
      const { endpoints, service } = await client.resolve(host)
      expect(endpoints.map(({ address }) => address).toSorted()).toEqual(['10.0.1.5', '10.0.1.6'])
      expect(service.host).toBe('orders.shop.local')
    },
  )
})

describe('SRV', () => {
  const WEB = { places: ['10.0.2.1:8080', '[fd00:2::2]:8081'], ttlMs: 15_000, complete: true }

  test('targets of the best priority come with their addresses in one answer', async () => {
    await named.queries()
    expect(await lookUp(named.server, 'web.shop.local', { record: 'srv' })).toEqual(WEB)
    expect(told(await named.queries())).toEqual(['web.shop.local SRV'])
  })

  test('addresses that the answer lacks are asked for, those of the other family too', async () => {
    await terse.queries()
    expect(await lookUp(terse.server, 'web.shop.local', { record: 'srv' })).toEqual(WEB)
    const [first, ...more] = told(await terse.queries())
    expect(first).toBe('web.shop.local SRV')
    expect(more.toSorted()).toEqual(['t1.web.shop.local A', 't2.web.shop.local A', 't2.web.shop.local AAAA'])
  })

  test('a name without addresses is found by its SRV records, after both kinds of address', async () => {
    await named.queries()
    expect(await lookUp(named.server, 'web.shop.local')).toEqual(WEB)
    expect(told(await named.queries())).toEqual([
      'web.shop.local A',
      'web.shop.local AAAA',
      'web.shop.local SRV',
    ])
  })

  test.each(['_http._tcp.orders.shop.local', '_http._tcp.alias.shop.local'])(
    'a name with underscores is asked for SRV records first, also by an alias (%s)',
    async (name) => {
      await named.queries()
      expect(await lookUp(named.server, name)).toEqual({
        places: ['10.0.1.5:8080', '10.0.1.6:8080'],
        ttlMs: name.includes('alias') ? 7_000 : 14_000,
        complete: true,
      })
      expect(told(await named.queries())).toEqual([`${name} SRV`])
    },
  )

  test('weights and ids are those of the records', async () => {
    await using client = clientOf([named.server])
    const { endpoints } = await client.resolve('web.shop.local')
    expect(endpoints.map(({ id, weight, port }) => ({ id, weight, port }))).toEqual(
      expect.arrayContaining([
        { id: 't1', weight: 10, port: 8080 },
        { id: 't2', weight: 30, port: 8081 },
      ]),
    )
  })
})

describe('aliases', () => {
  test('a chain within a zone is followed in one answer, for the shortest TTL of all its links', async () => {
    await named.queries()
    expect(await lookUp(named.server, 'alias.shop.local')).toEqual({
      places: ['10.0.1.5', '10.0.1.6'],
      ttlMs: 6_000,
      complete: true,
    })
    expect(told(await named.queries())).toEqual(['alias.shop.local A'])
  })

  test('a chain into another zone, which BIND does not follow, is followed by asking again', async () => {
    await named.queries()
    expect(await lookUp(named.server, 'abroad.shop.local')).toMatchObject({
      places: ['10.0.3.1'],
      ttlMs: 8_000,
    })
    expect(told(await named.queries())).toEqual(['abroad.shop.local A', 'target.other.local A'])
  })

  test('a chain into a zone that the server does not have is an error that names the service', async () => {
    const error = await failureOf(lookUp(named.server, 'stranger.shop.local'))
    expect(error).toBeInstanceOf(ResolutionFailedError)
    expect(error).toMatchObject({ host: 'stranger.shop.local', message: expect.stringContaining('REFUSED') })
  })

  test('an alias without a target gives no endpoints, for the TTL of the alias if that is shorter', async () => {
    expect(await lookUp(named.server, 'to-nothing.shop.local')).toEqual({
      places: [],
      ttlMs: 3_000,
      complete: true,
    })
  })
})

describe('negative answers', () => {
  test.each([
    ['soa-ttl.local', 3_000],
    ['soa-minimum.local', 4_000],
    ['soa-long.local', 10_000],
    ['soa-zero.local', 1_000],
  ])(
    'that there is no such name, or no such record, holds for the lesser of SOA TTL and MINIMUM, 1 s to 10 s (%s)',
    async (zone, ttlMs) => {
      await named.queries()
      const nothing = { places: [], ttlMs, complete: true }
      expect(await lookUp(named.server, `nothing.${zone}`)).toEqual(nothing)
      expect(told(await named.queries())).toEqual([`nothing.${zone} A`])
      expect(await lookUp(named.server, `text.${zone}`)).toEqual(nothing)
      const types = ['A', 'AAAA', 'SRV']
      expect(told(await named.queries())).toEqual(types.map((type) => `text.${zone} ${type}`))
    },
  )

  test.each([
    ['a zone that the server does not have', 'orders.shop.example', 'REFUSED'],
    ['a zone that it knows others to have', 'orders.sub.shop.local', 'referred to other servers'],
  ])('%s is an error, and not a name without endpoints', async (_, name, reason) => {
    const error = await failureOf(lookUp(named.server, name))
    expect(error).toBeInstanceOf(ResolutionFailedError)
    expect(error).toMatchObject({ host: name, message: expect.stringContaining(reason) })
  })
})

import { Resolver } from 'node:dns/promises'
import { decode } from 'dns-packet'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { startLocalAws, type LocalAws } from '../../../../src/testing/local-aws/index.ts'
import { addressesIn, askTcp, askUdp, exchangeUdp, query, type DnsAnswer } from '../../../support/dns/ask.ts'
import { failureOf } from '../../../support/failure-of.ts'

const HOST = 'orders.shop.local'
const EDNS = { ednsBytes: 4096 }

let aws: LocalAws

beforeEach(async () => {
  aws = await startLocalAws()
})

afterEach(() => aws.close())

const ask = (name: string, type = 'A'): Promise<DnsAnswer> => askUdp(aws.dns.server, { name, type, ...EDNS })

function registerMany(count: number, host = HOST): void {
  for (let task = 1; task <= count; task++)
    aws.register(host, `task-${task}`, { ipv4: `10.0.0.${task}`, port: 8000 + task })
}

describe('service records', () => {
  test('A and AAAA, with the TTL of the service', async () => {
    aws.addService(HOST, { records: ['A', 'AAAA'], ttlSeconds: 33 })
    aws.register(HOST, 'task-1', { ipv4: '10.0.0.1', ipv6: 'fd00::1' })
    aws.register(HOST, 'task-2', { ipv6: 'fd00::2' })
    expect((await ask(HOST)).answers).toMatchObject([{ name: HOST, type: 'A', ttl: 33, data: '10.0.0.1' }])
    expect(addressesIn(await ask(HOST, 'AAAA')).toSorted()).toEqual(['fd00::1', 'fd00::2'])
  })

  test('names are found in any case, and answered in the case of the question', async () => {
    aws.addService(HOST)
    registerMany(1)
    const answer = await ask('OrDeRs.Shop.LOCAL')
    expect(answer.questions).toMatchObject([{ name: 'OrDeRs.Shop.LOCAL' }])
    expect(answer.answers).toMatchObject([{ name: 'OrDeRs.Shop.LOCAL', data: '10.0.0.1' }])
  })

  test('at most 8 at random: over several answers all 20 are seen', async () => {
    aws.addService(HOST)
    registerMany(20)
    const seen = new Set<string>()
    for (let round = 0; round < 40; round++) {
      const addresses = addressesIn(await ask(HOST))
      expect(addresses).toHaveLength(8)
      expect(new Set(addresses).size).toBe(8)
      for (const address of addresses) seen.add(address)
    }
    expect(seen.size).toBe(20)
  })

  test('only healthy ones, and all when none is', async () => {
    aws.addService(HOST)
    registerMany(3)
    aws.setHealth(HOST, 'task-2', 'UNHEALTHY')
    expect(addressesIn(await ask(HOST)).toSorted()).toEqual(['10.0.0.1', '10.0.0.3'])
    for (const task of ['task-1', 'task-3']) aws.setHealth(HOST, task, 'UNHEALTHY')
    expect(addressesIn(await ask(HOST))).toHaveLength(3)
  })

  test('WEIGHTED answers with one', async () => {
    aws.addService(HOST, { routing: 'WEIGHTED' })
    registerMany(5)
    expect(addressesIn(await ask(HOST))).toHaveLength(1)
  })

  test('SRV: priority and weight 1, targets in the additional section and resolvable', async () => {
    aws.addService(HOST, { records: ['SRV'], ttlSeconds: 5 })
    aws.register(HOST, 'Task-1', { ipv4: '10.0.0.1', ipv6: 'fd00::1', port: 8080 })
    const answer = await ask(HOST, 'SRV')
    const target = 'Task-1.orders.shop.local'
    expect(answer.answers).toMatchObject([
      { type: 'SRV', ttl: 5, data: { priority: 1, weight: 1, port: 8080, target } },
    ])
    expect(answer.additionals?.filter(({ type }) => type !== 'OPT')).toMatchObject([
      { type: 'A', name: 'task-1.orders.shop.local', data: '10.0.0.1' },
      { type: 'AAAA', name: 'task-1.orders.shop.local', data: 'fd00::1' },
    ])
    expect(addressesIn(await ask(target))).toEqual(['10.0.0.1'])
    expect(addressesIn(await ask(target, 'AAAA'))).toEqual(['fd00::1'])
  })

  test('a CNAME is followed into names of the same server', async () => {
    aws.addService('www.shop.local', { records: ['CNAME'] })
    aws.register('www.shop.local', 'cdn', { attributes: { AWS_INSTANCE_CNAME: 'edge.example.com' } })
    aws.addRecords('edge.example.com', { addresses: ['192.0.2.1'], ttlSeconds: 7 })
    const { answers } = await ask('www.shop.local')
    expect(answers).toMatchObject([
      { type: 'CNAME', data: 'edge.example.com', ttl: 10 },
      { type: 'A', name: 'edge.example.com', data: '192.0.2.1', ttl: 7 },
    ])
  })

  test('node:dns reads them', async () => {
    aws.addService(HOST, { records: ['A', 'SRV'], ttlSeconds: 12 })
    registerMany(1)
    const resolver = new Resolver()
    resolver.setServers([aws.dns.server])
    expect(await resolver.resolve4(HOST, { ttl: true })).toEqual([{ address: '10.0.0.1', ttl: 12 }])
    expect(await resolver.resolveSrv(HOST)).toMatchObject([{ name: `task-1.${HOST}`, port: 8001 }])
    expect((await failureOf(resolver.resolve6(HOST)))['code']).toBe('ENODATA')
    expect((await failureOf(resolver.resolve4('none.shop.local')))['code']).toBe('ENOTFOUND')
  })
})

describe('negative answers', () => {
  const soa = [{ type: 'SOA', name: 'shop.local', ttl: 15, data: { minimum: 86_400 } }]

  test('NXDOMAIN with the SOA, also for a service whose last instance has left', async () => {
    aws.addService(HOST)
    registerMany(1)
    aws.deregister(HOST, 'task-1')
    for (const name of [HOST, 'none.shop.local']) {
      const answer = await ask(name)
      expect(answer).toMatchObject({ rcode: 'NXDOMAIN', flag_aa: true, answers: [] })
      expect(answer.authorities).toMatchObject(soa)
    }
  })

  test('NODATA with the SOA: another type, the zone itself, and names between', async () => {
    aws.addService(HOST)
    aws.addService('api.v1.shop.local')
    registerMany(1)
    aws.register('api.v1.shop.local', 'task-1', { ipv4: '10.0.0.9' })
    for (const [name, type] of [
      [HOST, 'AAAA'],
      [HOST, 'SRV'],
      [HOST, 'HTTPS'],
      ['shop.local', 'A'],
    ] as const) {
      const message = query({ name, type: type === 'HTTPS' ? 'UNKNOWN_65' : type, ...EDNS })
      const answer = decode(await exchangeUdp(aws.dns.server, message))
      expect(answer).toMatchObject({ rcode: 'NOERROR', answers: [] })
      expect(answer.authorities).toMatchObject(soa)
    }
    // No record has that name, but api.v1.shop.local lies below it.
    expect((await ask('v1.shop.local')).rcode).toBe('NOERROR')
  })

  test('the SOA has the TTL that the namespace was made with', async () => {
    aws.addNamespace('old.local', { soaTtlSeconds: 900 })
    expect(await ask('old.local')).toMatchObject({ rcode: 'NOERROR', answers: [] })
    expect((await ask('none.old.local')).authorities).toMatchObject([{ type: 'SOA', ttl: 900 }])
  })

  test('names outside of its zones are REFUSED', async () => {
    aws.addService(HOST)
    expect(await ask('example.com')).toMatchObject({ rcode: 'REFUSED', flag_aa: false, authorities: [] })
    expect((await ask('notshop.local')).rcode).toBe('REFUSED')
  })
})

test('plain names have all their records in every answer, until they are replaced', async () => {
  const addresses = Array.from({ length: 12 }, (_, index) => `192.0.2.${index}`)
  aws.addRecords('www.app.io', { addresses, ttlSeconds: 30 })
  const answer = await ask('www.app.io')
  expect(addressesIn(answer).toSorted()).toEqual(addresses.toSorted())
  expect(answer.answers?.[0]).toMatchObject({ ttl: 30 })
  expect(await ask('www.app.io', 'AAAA')).toMatchObject({ rcode: 'NOERROR', answers: [] })
  expect((await ask('x.www.app.io')).rcode).toBe('NXDOMAIN')
  aws.addRecords('www.app.io', { addresses: ['192.0.2.99'] })
  expect(addressesIn(await ask('www.app.io'))).toEqual(['192.0.2.99'])
  aws.addRecords('www.app.io', { addresses: [] })
  expect((await ask('www.app.io')).rcode).toBe('REFUSED')
})

test('what cannot stand in a message does not stop the server', async () => {
  expect(() => aws.addRecords('www.app.io', { addresses: ['nonsense'] })).toThrow('"nonsense"')
  expect(() => aws.addRecords('www.app.io', { type: 'AAAA', addresses: ['10.0.0.1'] })).toThrow('"10.0.0.1"')
  expect(() => aws.addRecords('', { addresses: ['10.0.0.1'] })).toThrow('not a valid DNS name')
  aws.addService('www.shop.local', { records: ['A'] })
  aws.register('www.shop.local', 'task-1', { ipv4: '10.0.0.1' })
  aws.addService(HOST, { records: ['CNAME'] })
  aws.register(HOST, 'long', { attributes: { AWS_INSTANCE_CNAME: 'x'.repeat(1000) } })
  expect((await ask(HOST)).rcode).toBe('SERVFAIL')
  aws.addService('srv.shop.local', { records: ['SRV'] })
  aws.register('srv.shop.local', 'x'.repeat(64), { ipv4: '10.0.0.1', port: 80 })
  expect((await ask('srv.shop.local', 'SRV')).rcode).toBe('SERVFAIL')
  expect((await ask('www.shop.local')).rcode).toBe('NOERROR')
})

describe('size', () => {
  const LONG = 'a-service-with-a-rather-long-name.shop.local'

  test('without EDNS what exceeds 512 bytes is truncated, and whole over TCP', async () => {
    aws.addService(LONG)
    registerMany(8, LONG)
    const udp = await exchangeUdp(aws.dns.server, query({ name: LONG }))
    expect(udp.length).toBeLessThanOrEqual(512)
    expect(decode(udp)).toMatchObject({ flag_tc: true, answers: [] })
    const [tcp] = await askTcp(aws.dns.server, [{ name: LONG }])
    expect(tcp).toMatchObject({ flag_tc: false })
    expect(tcp?.answers).toHaveLength(8)
  })

  test('with EDNS it fits, and the server reports its own size', async () => {
    aws.addService(LONG)
    registerMany(8, LONG)
    const answer = await askUdp(aws.dns.server, { name: LONG, ednsBytes: 1232 })
    expect(answer.flag_tc).toBe(false)
    expect(answer.answers).toHaveLength(8)
    expect(answer.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 4096 }])
  })

  test('additional records that do not fit are left out without truncation', async () => {
    aws.addService(HOST, { records: ['SRV'] })
    registerMany(8)
    const answer = await askUdp(aws.dns.server, { name: HOST, type: 'SRV', ednsBytes: 800 })
    expect(answer.flag_tc).toBe(false)
    expect(answer.answers).toHaveLength(8)
    const additional = answer.additionals?.filter(({ type }) => type === 'A').length ?? 0
    expect(additional).toBeLessThan(8)
    const whole = await ask(HOST, 'SRV')
    expect(whole.additionals?.filter(({ type }) => type === 'A')).toHaveLength(8)
  })
})

test('TCP: several questions on one connection, in any pieces', async () => {
  aws.addService(HOST)
  registerMany(2)
  const questions = [
    { name: HOST, id: 1 },
    { name: 'none.shop.local', id: 2 },
    { name: HOST, type: 'AAAA', id: 3 },
  ]
  for (const pieceBytes of [1, 5, 10_000]) {
    const answers = await askTcp(aws.dns.server, questions, pieceBytes)
    expect(answers.map(({ id, rcode }) => [id, rcode])).toEqual([
      [1, 'NOERROR'],
      [2, 'NXDOMAIN'],
      [3, 'NOERROR'],
    ])
  }
})

test('messages that are not queries are answered with FORMERR or NOTIMP, or not at all', async () => {
  const broken = query({ name: HOST }).subarray(0, 20)
  expect(decode(await exchangeUdp(aws.dns.server, broken))).toMatchObject({ id: 7, rcode: 'FORMERR' })
  const update = query({ name: HOST })
  update.writeUInt8(5 << 3, 2)
  expect(decode(await exchangeUdp(aws.dns.server, update))).toMatchObject({ rcode: 'NOTIMP' })
})

test('queries are counted by name, type and transport', async () => {
  aws.addService(HOST)
  await ask(HOST)
  await ask('ORDERS.shop.local')
  await ask(HOST, 'AAAA')
  await askTcp(aws.dns.server, [{ name: HOST }])
  expect(aws.dns.queries).toBe(4)
  expect(aws.dns.countQueries({ name: HOST, type: 'A' })).toBe(3)
  expect(aws.dns.countQueries({ type: 'AAAA' })).toBe(1)
  expect(aws.dns.countQueries({ name: 'Orders.Shop.Local', transport: 'tcp' })).toBe(1)
  expect(aws.dns.countQueries({ name: 'none.shop.local' })).toBe(0)
})

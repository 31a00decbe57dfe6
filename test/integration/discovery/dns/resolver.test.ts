import { describe, expect, test } from 'vitest'
import { InvalidOptionsError, ResolutionFailedError } from '../../../../src/core/errors.ts'
import type { DnsOptions } from '../../../../src/discovery/dns/options.ts'
import { dnsResolver } from '../../../../src/discovery/dns/resolver.ts'
import { lookUpServices } from '../../../../src/discovery/dns/lookup.ts'
import type { DnsAnswer } from '../../../../src/discovery/dns/wire/message.ts'
import type { Snapshot } from '../../../../src/discovery/endpoint.ts'
import { parseServiceName } from '../../../../src/discovery/service-name.ts'
import type { Resolver } from '../../../../src/discovery/resolver.ts'
import { manualClock, type ManualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { NAME } from '../../../support/dns/queries.ts'
import { failureOf } from '../../../support/failure-of.ts'
import {
  a,
  aaaa,
  cname,
  NXDOMAIN,
  response,
  SERVFAIL,
  soa,
  srv,
  udpServer,
  zoneServer,
  type Query,
  type Reply,
  type Sections,
  type UdpServer,
} from '../../../support/dns/servers.ts'
import { openSockets } from '../../../support/open-sockets.ts'
import { until } from '../../../support/until.ts'

const START_MS = 5000

function resolverOf(
  server: UdpServer,
  options: DnsOptions = {},
  clock: ManualClock = manualClock(START_MS),
): Resolver {
  return dnsResolver({ ...options, servers: [server.server], clock })
}

function ask(resolver: Resolver, name = NAME): Promise<Snapshot> {
  return resolver.resolve(parseServiceName(name, ['shop.local']), new AbortController().signal)
}

function resolveBy(server: UdpServer, options: DnsOptions = {}, name = NAME): Promise<Snapshot> {
  return ask(resolverOf(server, options), name)
}

/** Too short to ask again where a server cannot find out at the moment. Time stands still. */
const ONCE: DnsOptions = { timeoutMs: 10, tries: 1 }
const ttlOf = (snapshot: Snapshot): number => snapshot.expiresAt - START_MS
const addresses = (snapshot: Snapshot): string[] => snapshot.endpoints.map(({ address }) => address)

describe('addresses', () => {
  test('A records are the endpoints, for the shortest of their TTLs', async () => {
    const server = await zoneServer({
      [`${NAME} A`]: { answers: [a(NAME, '10.0.1.5', 40), a(NAME, '10.0.1.6', 20), a(NAME, '10.0.1.5', 40)] },
    })
    const snapshot = await resolveBy(server)
    expect(addresses(snapshot)).toEqual(['10.0.1.5', '10.0.1.6'])
    expect(snapshot).toMatchObject({
      complete: true,
      source: 'dns',
      service: { host: NAME },
      revision: undefined,
    })
    expect(snapshot.endpoints[0]).toMatchObject({ port: undefined, tier: 0, weight: 1 })
    expect(ttlOf(snapshot)).toBe(20_000)
    expect(server.asked).toEqual([`${NAME} A`])
  })

  test.each([
    [0, 1000],
    [1, 1000],
    [60, 60_000],
    [300, 60_000],
  ])('a TTL of %i s is kept for %i ms', async (ttl, ms) => {
    const server = await zoneServer({ [`${NAME} A`]: { answers: [a(NAME, '10.0.1.5', ttl)] } })
    expect(ttlOf(await resolveBy(server))).toBe(ms)
  })

  test.each([
    [7, true],
    [8, false],
    [9, false],
  ])('an answer of %i records is complete: %s', async (count, complete) => {
    const answers = Array.from({ length: count }, (_, index) => a(NAME, `10.0.1.${index}`))
    const snapshot = await resolveBy(await zoneServer({ [`${NAME} A`]: { answers } }))
    expect(snapshot.endpoints).toHaveLength(count)
    expect(snapshot.complete).toBe(complete)
  })

  test('aliases in the answer are followed, whatever their order; other names in it are not believed', async () => {
    const server = await zoneServer({
      [`${NAME} A`]: {
        answers: [
          a('end.shop.local', '10.0.1.5', 50),
          cname('middle.shop.local', 'end.shop.local', 9),
          a('stranger.example', '6.6.6.6'),
          cname(NAME, 'middle.shop.local'),
        ],
      },
    })
    const snapshot = await resolveBy(server)
    expect(addresses(snapshot)).toEqual(['10.0.1.5'])
    expect(ttlOf(snapshot)).toBe(9000)
    expect(server.asked).toHaveLength(1)
  })

  test('an alias whose target the answer lacks is asked for', async () => {
    const server = await zoneServer({
      [`${NAME} A`]: { answers: [cname(NAME, 'end.example', 7)] },
      'end.example A': { answers: [a('end.example', '10.0.1.5', 50)] },
    })
    const snapshot = await resolveBy(server)
    expect(addresses(snapshot)).toEqual(['10.0.1.5'])
    expect(ttlOf(snapshot)).toBe(7000)
  })

  test.each([
    ['of two', [cname(NAME, 'b.shop.local'), cname('b.shop.local', NAME)]],
    ['of one', [cname(NAME, NAME)]],
  ])('aliases that go in circles (%s) are an error', async (_, answers) => {
    const server = await zoneServer({ [`${NAME} A`]: { answers } })
    await expect(resolveBy(server)).rejects.toThrow('from alias to alias')
  })

  test('aliases in a circle over several answers are an error, after eight questions', async () => {
    const server = await zoneServer({
      [`${NAME} A`]: { answers: [cname(NAME, 'back.example')] },
      'back.example A': { answers: [cname('back.example', NAME)] },
    })
    await expect(resolveBy(server)).rejects.toThrow('more than 8 aliases')
    expect(server.asked).toHaveLength(8)
  })

  test('AAAA is asked for when there is no A', async () => {
    const server = await zoneServer({ [`${NAME} AAAA`]: { answers: [aaaa(NAME, '2600:1f18::5', 12)] } })
    const snapshot = await resolveBy(server)
    expect(addresses(snapshot)).toEqual(['2600:1f18::5'])
    expect(ttlOf(snapshot)).toBe(12_000)
    expect(server.asked).toEqual([`${NAME} A`, `${NAME} AAAA`])
  })

  test('the kind of record that worked is asked for first the next time, the others if it is gone', async () => {
    let kind = 'AAAA'
    const server = await udpServer((query, reply) => {
      const type = query.questions?.[0]?.type
      const record = type === 'AAAA' ? aaaa(NAME, '2600:1f18::5') : a(NAME, '10.0.1.5')
      reply(response(query, { answers: type === kind ? [record] : [] }))
    })
    const resolver = resolverOf(server)
    await ask(resolver)
    expect(addresses(await ask(resolver))).toEqual(['2600:1f18::5'])
    expect(server.asked.slice(2)).toEqual([`${NAME} AAAA`])
    kind = 'A'
    expect(addresses(await ask(resolver))).toEqual(['10.0.1.5'])
  })

  const both = {
    [`${NAME} A`]: { answers: [a(NAME, '10.0.1.5', 30)] },
    [`${NAME} AAAA`]: { answers: [aaaa(NAME, '2600:1f18::5', 10)] },
  }

  test.each([
    [{}, ['10.0.1.5'], 30_000],
    [{ family: 'ipv4' }, ['10.0.1.5'], 30_000],
    [{ family: 'ipv6' }, ['2600:1f18::5'], 10_000],
    [{ family: 'dual' }, ['10.0.1.5', '2600:1f18::5'], 10_000],
  ] as const)('with %j: %j', async (options, wanted, ttlMs) => {
    const snapshot = await resolveBy(await zoneServer(both), options)
    expect(addresses(snapshot)).toEqual(wanted)
    expect(ttlOf(snapshot)).toBe(ttlMs)
  })

  test('dual: what one family answers is a part of the set when the other fails', async () => {
    const server = await zoneServer({ ...both, [`${NAME} AAAA`]: { rcode: SERVFAIL } })
    const snapshot = await resolveBy(server, { ...ONCE, family: 'dual' })
    expect(addresses(snapshot)).toEqual(['10.0.1.5'])
    expect(snapshot.complete).toBe(false)
  })
})

describe('AAAA without an answer', () => {
  const silentOrFailing = [
    ['SERVFAIL', (reply: Reply, query: Query) => reply(response(query, { rcode: SERVFAIL }))],
    ['silence', () => undefined],
  ] as const
  const serverOf = (
    onAaaa: (reply: Reply, query: Query) => void,
    zone: Record<string, Sections>,
  ): Promise<UdpServer> =>
    udpServer((query, reply) => {
      const { name = '', type = '' } = query.questions?.[0] ?? {}
      if (type === 'AAAA') onAaaa(reply, query)
      else reply(response(query, zone[`${name} ${type}`] ?? {}))
    })
  const SECONDS = { timeoutMs: 1_000, tries: 2 }

  test.each(silentOrFailing)('(%s) hides no SRV records', async (_, onAaaa) => {
    const server = await serverOf(onAaaa, {
      [`${NAME} SRV`]: {
        answers: [srv(NAME, 'x.example', 8080)],
        additionals: [a('x.example', '10.0.1.5')],
      },
    })
    const clock = manualClock()
    const found = ask(resolverOf(server, SECONDS, clock))
    await until(() => server.asked.length === 2 && clock.pendingTimers === 2)
    await clock.advance(50)
    expect((await found).endpoints).toMatchObject([{ address: '10.0.1.5', port: 8080 }])
  })

  test.each(silentOrFailing)('(%s) hides no A records of a name that had AAAA before', async (_, onAaaa) => {
    let had = true
    const server = await serverOf(
      (reply, query) => {
        if (had) reply(response(query, { answers: [aaaa(NAME, '2600:1f18::5')] }))
        else onAaaa(reply, query)
      },
      {
        get [`${NAME} A`]() {
          return had ? {} : { answers: [a(NAME, '10.0.1.5')] }
        },
      },
    )
    const clock = manualClock()
    const resolver = resolverOf(server, SECONDS, clock)
    expect(addresses(await ask(resolver))).toEqual(['2600:1f18::5'])
    had = false
    const found = ask(resolver)
    await until(() => server.asked.length === 3 && clock.pendingTimers === 2)
    await clock.advance(50)
    expect(addresses(await found)).toEqual(['10.0.1.5'])
  })

  test('(SERVFAIL) is an error where there is nothing else', async () => {
    const [, servfail] = silentOrFailing[0]
    const server = await serverOf(servfail, {})
    const clock = manualClock()
    const failed = failureOf(ask(resolverOf(server, SECONDS, clock)))
    await until(() => server.asked.length === 2 && openSockets().length === 0 && clock.pendingTimers === 2)
    await clock.advance(50)
    // SRV has followed, and then AAAA anew, after a pause that is twice as long each time.
    for (const [asked, pauseMs] of [100, 200, 400, 800].entries()) {
      await until(() => server.asked.length === 4 + asked && openSockets().length === 0)
      await until(() => clock.pendingTimers === 1)
      await clock.advance(pauseMs)
    }
    expect((await failed).message).toContain(`${NAME}: AAAA query failed: ${server.server} answered SERVFAIL`)
    expect(server.asked).toContain(`${NAME} SRV`)
    expect(clock.pendingTimers).toBe(0)
  })

  test('(silence) is an error where there is nothing else', async () => {
    const [, silence] = silentOrFailing[1]
    const server = await serverOf(silence, {})
    const clock = manualClock()
    const failed = failureOf(ask(resolverOf(server, SECONDS, clock)))
    // The socket of AAAA stays open.
    const waits = (asked: number, timers: number): Promise<void> =>
      until(
        () => server.asked.length === asked && openSockets().length === 1 && clock.pendingTimers === timers,
      )
    await waits(2, 2)
    await clock.advance(50)
    await waits(3, 1)
    await clock.advance(950)
    await waits(4, 1)
    await clock.advance(1_000)
    expect((await failed).message).toContain(`${NAME}: AAAA query failed: ${server.server} gave no answer`)
    expect(server.asked).toEqual(['A', 'AAAA', 'SRV', 'AAAA'].map((type) => `${NAME} ${type}`))
    expect(clock.pendingTimers).toBe(0)
  })
})

describe('what is late', () => {
  test('family "dual": the family that is there is served after 50 ms, the other joins when it has come', async () => {
    const late: (() => void)[] = []
    const server = await udpServer((query, reply) => {
      const isA = query.questions?.[0]?.type === 'A'
      const answers = [isA ? a(NAME, '10.0.1.5') : aaaa(NAME, '2600:1f18::5')]
      if (isA) reply(response(query, { answers }))
      else late.push(() => reply(response(query, { answers })))
    })
    const clock = manualClock()
    const resolver = resolverOf(server, { family: 'dual' }, clock)
    const service = parseServiceName(NAME, [])
    const { signal } = new AbortController()
    const first = resolver.resolve(service, signal)
    // A has its answer, and AAAA has not.
    await until(() => late.length === 1 && openSockets().length === 1 && clock.pendingTimers === 2)
    await clock.advance(49)
    expect(clock.pendingTimers).toBe(2)
    await clock.advance(1)
    const half = await first
    expect(addresses(half)).toEqual(['10.0.1.5'])
    expect(half).toMatchObject({ complete: false, expiresAt: clock.now() + 1_000 })

    late[0]?.()
    await until(() => clock.pendingTimers === 0)
    await clock.advance(1_000)
    const whole = await resolver.resolve(service, signal)
    expect(addresses(whole)).toEqual(['10.0.1.5', '2600:1f18::5'])
    expect(whole.complete).toBe(true)
    // The TTL of what came in the meantime has run since.
    expect(whole.expiresAt).toBe(clock.now() + 29_000)
    expect(server.asked.filter((asked) => asked.endsWith('AAAA'))).toHaveLength(1)
  })

  test('family "dual": a family that has none is not served before the other has answered', async () => {
    let answer: (() => void) | undefined
    const server = await udpServer((query, reply) => {
      if (query.questions?.[0]?.type === 'A') reply(response(query))
      else answer = () => reply(response(query, { answers: [aaaa(NAME, '2600:1f18::5')] }))
    })
    const clock = manualClock()
    const found = ask(resolverOf(server, { family: 'dual' }, clock))
    await until(() => answer !== undefined)
    await clock.advance(900)
    answer?.()
    expect(addresses(await found)).toEqual(['2600:1f18::5'])
  })

  test('a silent SRV target holds up no other', async () => {
    const [one, two] = [`i-1.${NAME}`, `i-2.${NAME}`]
    const server = await udpServer((query, reply) => {
      const { name, type } = query.questions?.[0] ?? {}
      if (type === 'SRV') reply(response(query, { answers: [srv(NAME, one, 80), srv(NAME, two, 80)] }))
      else if (name === one) reply(response(query, { answers: [a(one, '10.0.1.5')] }))
    })
    const clock = manualClock()
    const resolver = resolverOf(server, { record: 'srv' }, clock)
    const found = ask(resolver)
    // Only the silent one has no answer.
    await until(() => server.asked.length === 3 && openSockets().length === 1 && clock.pendingTimers === 2)
    await clock.advance(50)
    const snapshot = await found
    expect(addresses(snapshot)).toEqual(['10.0.1.5'])
    expect(snapshot.complete).toBe(false)
    await resolver.close?.()
    await until(() => openSockets().length === 0)
  })

  test('an abort ends both families at once, and leaves no socket', async () => {
    const server = await udpServer(() => undefined)
    const resolver = resolverOf(server, { family: 'dual' })
    const abort = new AbortController()
    const found = resolver.resolve(parseServiceName(NAME, []), abort.signal)
    await until(() => server.asked.length === 2)
    const reason = new Error('the caller went away')
    abort.abort(reason)
    await expect(found).rejects.toBe(reason)
    await until(() => openSockets().length === 0)
  })
})

describe('no addresses', () => {
  test.each([
    ['the SOA minimum', [soa('shop.local', 900, 5)], 5000],
    ['the TTL of the SOA', [soa('shop.local', 4, 900)], 4000],
    ['10 s at most', [soa('shop.local', 900, 900)], 10_000],
    ['1 s at least', [soa('shop.local', 0, 900)], 1000],
    ['1 s without an SOA', [], 1000],
  ])('a name that does not exist is an empty set for %s', async (_, authorities, ttlMs) => {
    const server = await udpServer((query, reply) => reply(response(query, { rcode: NXDOMAIN, authorities })))
    const snapshot = await resolveBy(server)
    expect(snapshot).toMatchObject({ endpoints: [], complete: true, source: 'dns' })
    expect(ttlOf(snapshot)).toBe(ttlMs)
    // A name that does not exist has no other records either (RFC 8020).
    expect(server.asked).toEqual([`${NAME} A`])
  })

  test('a name without addresses is an empty set, once all kinds of record were asked for', async () => {
    const server = await udpServer((query, reply) =>
      reply(response(query, { authorities: [soa('shop.local', 60, 3)] })),
    )
    const snapshot = await resolveBy(server)
    expect(snapshot.endpoints).toEqual([])
    expect(ttlOf(snapshot)).toBe(3000)
    expect(server.asked).toEqual([`${NAME} A`, `${NAME} AAAA`, `${NAME} SRV`])
  })

  test('an alias to a name that does not exist is an empty set', async () => {
    const server = await zoneServer({
      [`${NAME} A`]: {
        rcode: NXDOMAIN,
        answers: [cname(NAME, 'gone.example')],
        authorities: [soa('example', 60, 6)],
      },
    })
    const snapshot = await resolveBy(server)
    expect(snapshot.endpoints).toEqual([])
    expect(ttlOf(snapshot)).toBe(6000)
  })

  test('a failure is not taken for an empty set', async () => {
    const server = await zoneServer({ [`${NAME} AAAA`]: { rcode: SERVFAIL } })
    const failed = resolveBy(server, ONCE)
    await expect(failed).rejects.toThrow(ResolutionFailedError)
    await expect(failed).rejects.toThrow(`${NAME}: AAAA query failed: ${server.server} answered SERVFAIL`)
  })
})

describe('SRV', () => {
  const one = `i-1.${NAME}`
  const two = `i-2.${NAME}`

  test('is asked for when the name has no addresses; targets come from the additional section', async () => {
    const server = await zoneServer({
      [`${NAME} SRV`]: {
        answers: [srv(NAME, one, 8080, { ttl: 30 }), srv(NAME, two, 8081, { ttl: 20, weight: 3 })],
        additionals: [a(one, '10.0.1.5', 15), a(two, '10.0.1.6', 60)],
      },
    })
    const snapshot = await resolveBy(server)
    expect(snapshot.endpoints).toMatchObject([
      { address: '10.0.1.5', port: 8080, id: 'i-1', weight: 1 },
      { address: '10.0.1.6', port: 8081, id: 'i-2', weight: 3 },
    ])
    expect(ttlOf(snapshot)).toBe(15_000)
    expect(server.asked).toEqual([`${NAME} A`, `${NAME} AAAA`, `${NAME} SRV`])
  })

  test('is asked for at once under a name that begins with an underscore', async () => {
    const name = '_http._tcp.orders.shop.local'
    const server = await zoneServer({
      [`${name} SRV`]: {
        answers: [srv(name, 'x.example', 80)],
        additionals: [aaaa('x.example', '2600:1f18::5')],
      },
    })
    const snapshot = await resolveBy(server, {}, name)
    expect(snapshot.endpoints).toMatchObject([{ address: '2600:1f18::5', port: 80, id: undefined }])
    expect(server.asked).toEqual([`${name} SRV`])
  })

  test('targets that are not in the answer are asked for; one without addresses is left out', async () => {
    const server = await zoneServer({
      [`${NAME} SRV`]: { answers: [srv(NAME, one, 8080), srv(NAME, two, 8080)] },
      [`${one} A`]: { answers: [a(one, '10.0.1.5', 5)] },
    })
    const snapshot = await resolveBy(server, { record: 'srv' })
    expect(addresses(snapshot)).toEqual(['10.0.1.5'])
    expect(snapshot.complete).toBe(true)
    expect(server.asked).not.toContain(`${two} AAAA`)
  })

  test('a target that cannot be looked up makes the set a part; none at all is an error', async () => {
    const zone = {
      [`${NAME} SRV`]: { answers: [srv(NAME, one, 8080), srv(NAME, two, 8080)] },
      [`${one} A`]: { answers: [a(one, '10.0.1.5', 5)] },
      [`${two} A`]: { rcode: SERVFAIL },
    }
    const snapshot = await resolveBy(await zoneServer(zone), { ...ONCE, record: 'srv' })
    expect(addresses(snapshot)).toEqual(['10.0.1.5'])
    expect(snapshot.complete).toBe(false)
    const broken = await zoneServer({ ...zone, [`${one} A`]: { rcode: SERVFAIL } })
    await expect(resolveBy(broken, { ...ONCE, record: 'srv' })).rejects.toThrow(
      `${NAME}: ${one}: A query failed`,
    )
  })

  test('only the best priority counts, and the root is not a valid target', async () => {
    const server = await zoneServer({
      [`${NAME} SRV`]: {
        answers: [
          srv(NAME, two, 1, { priority: 20 }),
          srv(NAME, '.', 1, { priority: 1 }),
          srv(NAME, one, 8080, { priority: 10, weight: 0 }),
        ],
        additionals: [a(one, '10.0.1.5'), a(two, '10.0.1.6')],
      },
    })
    const snapshot = await resolveBy(server, { record: 'srv' })
    expect(snapshot.endpoints).toMatchObject([{ address: '10.0.1.5', weight: 0.1 }])
  })

  test('port 0 is skipped, and does not spoil the others', async () => {
    const server = await zoneServer({
      [`${NAME} SRV`]: {
        answers: [srv(NAME, two, 0), srv(NAME, one, 8080)],
        additionals: [a(one, '10.0.1.5'), a(two, '10.0.1.6')],
      },
    })
    expect(addresses(await resolveBy(server, { record: 'srv' }))).toEqual(['10.0.1.5'])
  })

  test('a target with several ports is asked for once', async () => {
    const server = await zoneServer({
      [`${NAME} SRV`]: { answers: [srv(NAME, one, 8080), srv(NAME, one, 8081)] },
      [`${one} A`]: { answers: [a(one, '10.0.1.5')] },
    })
    const { endpoints } = await resolveBy(server, { record: 'srv' })
    expect(endpoints.map(({ port }) => port)).toEqual([8080, 8081])
    expect(server.asked).toEqual([`${NAME} SRV`, `${one} A`])
  })

  test('a thousand ports of a thousand addresses are not a million endpoints', async () => {
    const many = Array.from({ length: 1000 }, (_, index) => index)
    const answer: DnsAnswer = {
      rcode: 'NOERROR',
      truncated: false,
      answers: many.map((index) => ({
        type: 'SRV',
        name: NAME,
        ttlSeconds: 30,
        target: one,
        port: 1 + index,
        priority: 1,
        weight: 1,
      })),
      authorities: [],
      additionals: many.map((index) => ({
        type: 'A',
        name: one,
        ttlSeconds: 30,
        address: `10.0.${index >> 8}.${index & 255}`,
      })),
    }
    const found = await lookUpServices(() => Promise.resolve(answer), NAME, ['A'])
    expect(found.endpoints).toHaveLength(2000)
    expect(new Set(found.endpoints.map(({ port }) => port)).size).toBe(1000)
    expect(found.complete).toBe(false)
  })

  test('record: "a" never asks for it', async () => {
    const server = await zoneServer({ [`${NAME} SRV`]: { answers: [srv(NAME, one, 8080)] } })
    expect((await resolveBy(server, { record: 'a' })).endpoints).toEqual([])
  })
})

test('an abort passes its reason through', async () => {
  const server = await udpServer(() => {})
  const abort = new AbortController()
  const answer = failureOf(resolverOf(server).resolve(parseServiceName(NAME, []), abort.signal))
  const reason = new Error('the caller went away')
  await until(() => server.asked.length === 1)
  abort.abort(reason)
  expect(await answer).toBe(reason)
})

test.each([
  [{ servres: [] }, 'dns.servres', 'known: servers'],
  [{ servers: 'x' }, 'dns.servers', 'an array'],
  [{ servers: [] }, 'dns.servers', 'at least one'],
  [{ servers: ['10.0.0.2', 'ns.example'] }, 'dns.servers[1]', 'an IP address'],
  [{ timeoutMs: -1 }, 'dns.timeoutMs', 'got -1; allowed: a number of ms from 1'],
  [{ tries: 0 }, 'dns.tries', 'an integer from 1'],
  [{ family: 'ipv5' }, 'dns.family', '"ipv4", "ipv6", "dual"'],
  [{ record: 'mx' }, 'dns.record', '"a", "srv"'],
  [null, 'dns', 'a plain object'],
])('%j is refused', (options, option, told) => {
  const make = (): unknown => dnsResolver(options as unknown as DnsOptions)
  expect(make).toThrow(InvalidOptionsError)
  expect(make).toThrow(expect.objectContaining({ option, message: expect.stringContaining(told) as string }))
})

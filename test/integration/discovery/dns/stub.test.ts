import { describe, expect, onTestFinished, test } from 'vitest'
import { parseDnsServer, StubResolver } from '../../../../src/discovery/dns/stub.ts'
import { manualClock, type ManualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { NAME, optionsFor, query, timeOut } from '../../../support/dns/queries.ts'
import { failureOf } from '../../../support/failure-of.ts'
import {
  a,
  boundTo,
  REFUSED,
  response,
  SERVFAIL,
  tcpServer,
  udpServer,
  vacantPlace,
  type Reply,
  type UdpServer,
} from '../../../support/dns/servers.ts'
import { openSockets } from '../../../support/open-sockets.ts'
import { until } from '../../../support/until.ts'

const ADDRESS = a(NAME, '10.0.1.5')

describe('servers in their order', () => {
  /** The pause after a server has said SERVFAIL so many times: 50 ms, and twice as long each time. */
  async function pausePasses(clock: ManualClock, server: UdpServer, times: number): Promise<void> {
    const pauseMs = 50 * 2 ** (times - 1)
    // The query has had its answer and closed its socket, and the pause has begun.
    await until(
      () => server.asked.length === times && openSockets().length === 0 && clock.pendingTimers === 1,
    )
    await clock.advance(pauseMs - 1)
    expect(clock.pendingTimers).toBe(1)
    await clock.advance(1)
  }

  test('a silent one is left after its time for the next', async () => {
    const silent = await udpServer(() => {})
    const good = await udpServer((asked, reply) => reply(response(asked, { answers: [ADDRESS] })))
    const clock = manualClock()
    const answer = query(NAME, 'A', optionsFor([silent, good], { clock }))
    await timeOut(clock, () => silent.asked.length === 1)
    expect((await answer).answers).toHaveLength(1)
    expect(clock.now()).toBe(1000)
    expect(clock.pendingTimers).toBe(0)
  })

  test('all silent: each is asked once a round, and the error names them', async () => {
    const servers = [await udpServer(() => {}), await udpServer(() => {})]
    const [first, second] = servers
    const clock = manualClock()
    const failed = failureOf(query(NAME, 'A', optionsFor(servers, { clock })))
    await timeOut(clock, () => first?.asked.length === 1)
    await timeOut(clock, () => second?.asked.length === 1)
    await timeOut(clock, () => first?.asked.length === 2)
    await timeOut(clock, () => second?.asked.length === 2)
    const { message } = await failed
    expect(message).toContain(`${first?.server} gave no answer in 1000 ms; ${second?.server} gave no answer`)
    expect(clock.now()).toBe(4000)
    expect(clock.pendingTimers).toBe(0)
    await expect.poll(openSockets).toEqual([])
  })

  test('a late answer to an earlier try is not taken for that to the next', async () => {
    let late: (() => void) | undefined
    const server = await udpServer((asked, reply) => {
      if (late === undefined) late = () => reply(response(asked, { answers: [a(NAME, '6.6.6.6')] }))
      else {
        late()
        reply(response(asked, { answers: [ADDRESS] }))
      }
    })
    const clock = manualClock()
    const answer = query(NAME, 'A', optionsFor([server], { clock }))
    await timeOut(clock, () => server.asked.length === 1)
    expect((await answer).answers).toMatchObject([{ address: '10.0.1.5' }])
  })

  test.each([
    ['SERVFAIL', SERVFAIL],
    ['REFUSED', REFUSED],
    ['RCODE 12', 12],
  ])('%s: the next one is asked', async (_, rcode) => {
    const broken = await udpServer((asked, reply) => reply(response(asked, { rcode })))
    const good = await udpServer((asked, reply) => reply(response(asked, { answers: [ADDRESS] })))
    expect((await query(NAME, 'A', optionsFor([broken, good]))).answers).toHaveLength(1)
    expect(broken.asked).toHaveLength(1)
  })

  test('a server that answered badly is not asked again in the second round', async () => {
    const broken = await udpServer((asked, reply) => reply(response(asked, { rcode: REFUSED })))
    const { message } = await failureOf(query(NAME, 'A', optionsFor([broken])))
    expect(message).toContain(`A query failed: ${broken.server} answered REFUSED`)
    expect(broken.asked).toHaveLength(1)
  })

  test.each([1, 3])('after %i times SERVFAIL the next answer counts, some 50 ms later', async (times) => {
    const server = await udpServer((asked, reply) =>
      reply(response(asked, server.asked.length <= times ? { rcode: SERVFAIL } : { answers: [ADDRESS] })),
    )
    const clock = manualClock()
    const answer = query(NAME, 'A', optionsFor([server], { clock }))
    for (let failed = 1; failed <= times; failed++) await pausePasses(clock, server, failed)
    expect((await answer).answers).toHaveLength(1)
    expect(clock.now()).toBe(50 * (2 ** times - 1))
    expect(clock.pendingTimers).toBe(0)
  })

  test('permanent SERVFAIL fails when the next pause would end after the time of silence', async () => {
    const broken = await udpServer((asked, reply) => reply(response(asked, { rcode: SERVFAIL })))
    const clock = manualClock()
    const failed = failureOf(query(NAME, 'A', optionsFor([broken], { clock, timeoutMs: 400 })))
    for (let answered = 1; answered <= 4; answered++) await pausePasses(clock, broken, answered)
    expect((await failed).message).toContain(`A query failed: ${broken.server} answered SERVFAIL`)
    expect(broken.asked).toHaveLength(5)
    // Two tries of 400 ms would be over at 800 ms, and the next pause is one of 800 ms.
    expect(clock.now()).toBe(750)
    expect(clock.pendingTimers).toBe(0)
  })

  test('a closed port is noticed at once', async () => {
    const good = await udpServer((asked, reply) => reply(response(asked, { answers: [ADDRESS] })))
    const clock = manualClock()
    const servers = [{ address: '127.0.0.1', port: 1 }, ...optionsFor([good]).servers]
    expect((await query(NAME, 'A', optionsFor([], { servers, clock }))).answers).toHaveLength(1)
    expect(clock.now()).toBe(0)
  })

  test('a referral to other servers does not count as an answer', async () => {
    const referring = await udpServer((asked, reply) =>
      reply(response(asked, { authorities: [{ type: 'NS', name: 'local', ttl: 60, data: 'ns.example' }] })),
    )
    const { message } = await failureOf(query(NAME, 'A', optionsFor([referring])))
    expect(message).toContain('referred to other servers')
  })
})

describe('a server with a back-off', () => {
  const never = new AbortController().signal
  const answering = (): Promise<UdpServer> =>
    udpServer((asked, reply) => reply(response(asked, { answers: [ADDRESS] })))
  const countsOf = (...servers: readonly UdpServer[]): readonly number[] =>
    servers.map(({ asked }) => asked.length)

  test('is asked last for a while, for any name; then one query finds out for all', async () => {
    let isDead = true
    const first = await udpServer((asked, reply) => {
      if (!isDead) reply(response(asked, { answers: [ADDRESS] }))
    })
    const second = await answering()
    const clock = manualClock()
    const stub = new StubResolver({ ...optionsFor([first, second]), clock })
    const slow = stub.query(NAME, 'A', never)
    await timeOut(clock, () => first.asked.length === 1)
    await slow
    for (const name of [NAME, 'users.shop.local', 'carts.shop.local']) await stub.query(name, 'A', never)
    expect(countsOf(first, second)).toEqual([1, 4])
    expect(clock.now()).toBe(1000)

    await clock.advance(1000)
    const probe = stub.query(NAME, 'A', never)
    await until(() => first.asked.length === 2)
    await stub.query(NAME, 'A', never)
    expect(countsOf(first, second)).toEqual([2, 5])
    await timeOut(clock, () => true)
    await probe

    isDead = false
    await clock.advance(2000)
    for (let i = 0; i < 3; i++) await stub.query(NAME, 'A', never)
    expect(countsOf(first, second)).toEqual([5, 6])
  })

  test.each<[string, (asked: Parameters<typeof response>[0], reply: Reply) => void]>([
    [
      'sends nothing readable',
      (asked, reply) => reply(response(asked, { answers: [ADDRESS] }).subarray(0, -1)),
    ],
    ['has no TCP for what it truncates', (asked, reply) => reply(response(asked, { truncated: true }))],
  ])('is one that %s', async (_, onQuery) => {
    const bad = await udpServer(onQuery)
    const good = await answering()
    const stub = new StubResolver({ ...optionsFor([bad, good]), clock: manualClock() })
    for (let i = 0; i < 3; i++) await stub.query(NAME, 'A', never)
    expect(countsOf(bad, good)).toEqual([1, 3])
  })

  test('is one that cannot be reached', async () => {
    const good = await answering()
    const place = vacantPlace()
    const stub = new StubResolver({
      ...optionsFor([]),
      servers: [place, ...optionsFor([good]).servers],
      clock: manualClock(),
    })
    await stub.query(NAME, 'A', never)
    let asked = 0
    const socket = await boundTo(place)
    onTestFinished(() => void socket.close())
    socket.on('message', () => asked++)
    for (let i = 0; i < 2; i++) await stub.query(NAME, 'A', never)
    expect(good.asked).toHaveLength(3)
    expect(asked).toBe(0)
  })

  test.each([
    ['SERVFAIL', SERVFAIL],
    ['REFUSED', REFUSED],
  ])('is none that says %s: an answer about a name', async (_, rcode) => {
    const broken = await udpServer((asked, reply) =>
      reply(response(asked, asked.questions?.[0]?.name === NAME ? { rcode } : { answers: [ADDRESS] })),
    )
    const good = await answering()
    const stub = new StubResolver({ ...optionsFor([broken, good]), clock: manualClock() })
    await stub.query(NAME, 'A', never)
    await stub.query('users.shop.local', 'A', never)
    expect(countsOf(broken, good)).toEqual([2, 1])
  })

  test('is still asked when there is no other', async () => {
    const silent = await udpServer(() => {})
    const clock = manualClock()
    const stub = new StubResolver({ ...optionsFor([silent]), tries: 1, clock })
    for (let i = 1; i <= 3; i++) {
      const failed = failureOf(stub.query(NAME, 'A', never))
      await timeOut(clock, () => silent.asked.length === i)
      expect((await failed).message).toContain('gave no answer in 1000 ms')
    }
  })

  test('is not made by a caller that gave up', async () => {
    const slow = await udpServer((asked, reply) => {
      if (slow.asked.length > 1) reply(response(asked, { answers: [ADDRESS] }))
    })
    const other = await answering()
    const stub = new StubResolver({ ...optionsFor([slow, other]), clock: manualClock() })
    const abort = new AbortController()
    const failed = failureOf(stub.query(NAME, 'A', abort.signal))
    await until(() => slow.asked.length === 1)
    abort.abort(new Error('the caller went away'))
    await failed
    await stub.query(NAME, 'A', never)
    expect(countsOf(slow, other)).toEqual([2, 0])
  })
})

describe('queries in flight', () => {
  const never = new AbortController().signal

  test('are 64 at most that began within 100 ms; the time of the others begins when they are sent', async () => {
    const waiting: (() => void)[] = []
    const server = await udpServer((asked, reply) =>
      waiting.push(() => reply(response(asked, { answers: [ADDRESS] }))),
    )
    const clock = manualClock()
    const stub = new StubResolver({ ...optionsFor([server]), clock })
    const answers = Array.from({ length: 100 }, (_, index) => stub.query(`n${index}.shop.local`, 'A', never))
    await until(() => waiting.length === 64)
    await clock.advance(99)
    expect(waiting).toHaveLength(64)
    for (const answer of waiting.splice(0)) answer()
    await until(() => waiting.length === 36)
    expect(new Set(server.asked.slice(64))).toEqual(
      new Set(Array.from({ length: 36 }, (_, index) => `n${index + 64}.shop.local A`)),
    )
    await clock.advance(999)
    for (const answer of waiting.splice(0)) answer()
    await Promise.all(answers)
    expect(clock.pendingTimers).toBe(0)
  })

  test('to names for which servers are silent delay no others, known or new', async () => {
    const silent = (name: string): boolean => name.startsWith('r')
    const server = await udpServer((asked, reply) => {
      if (!silent(asked.questions?.[0]?.name ?? '')) reply(response(asked, { answers: [] }))
    })
    const clock = manualClock()
    const stub = new StubResolver({ ...optionsFor([server]), clock })
    await stub.query(NAME, 'A', never)
    const abort = new AbortController()
    const crowd = Array.from({ length: 1_000 }, (_, index) =>
      failureOf(stub.query(`r${index}.shop.local`, 'A', abort.signal)),
    )
    await until(() => server.asked.length === 65)
    const fine = [NAME, 'payments.shop.local'].map((name) => stub.query(name, 'A', never))
    await clock.advance(100)
    await Promise.all(fine)
    expect(clock.now()).toBe(100)
    abort.abort(new Error('the callers went away'))
    await Promise.all(crowd)
    expect(clock.pendingTimers).toBe(0)
  })

  test('a crowd beyond 1,000 that wait is refused, the oldest first, with an error that says so', async () => {
    const server = await udpServer(() => undefined)
    const clock = manualClock()
    const stub = new StubResolver({ ...optionsFor([server]), clock })
    const abort = new AbortController()
    const crowd = Array.from({ length: 1_065 }, (_, index) =>
      failureOf(stub.query(`r${index}.shop.local`, 'A', abort.signal)),
    )
    const { message } = (await crowd[64]) ?? {}
    expect(message).toBe(
      '[ONEHOP_RESOLUTION_FAILED] r64.shop.local: A query failed: too many names are asked for at once: 1001 queries wait',
    )
    const told = Promise.all(crowd)
    abort.abort(new Error('the callers went away'))
    expect((await told).filter((error) => error.message.includes('at once'))).toHaveLength(1)
    expect(clock.pendingTimers).toBe(0)
  })

  test('an abort while waiting rejects at once, is never sent, and no place is lost', async () => {
    const waiting: (() => void)[] = []
    const server = await udpServer((asked, reply) =>
      waiting.push(() => reply(response(asked, { answers: [ADDRESS] }))),
    )
    const stub = new StubResolver({ ...optionsFor([server]), clock: manualClock() })
    const first = Array.from({ length: 64 }, () => stub.query(NAME, 'A', never))
    await until(() => waiting.length === 64)
    const abort = new AbortController()
    const reason = new Error('the caller went away')
    const given = failureOf(stub.query('given-up.shop.local', 'A', abort.signal))
    const last = stub.query('last.shop.local', 'A', never)
    abort.abort(reason)
    expect(await given).toBe(reason)
    for (const answer of waiting.splice(0)) answer()
    await Promise.all(first)
    await until(() => waiting.length === 1)
    waiting[0]?.()
    await last
    expect(server.asked).not.toContain('given-up.shop.local A')
  })

  test('places come back from queries that fail, are aborted, or ask for no name', async () => {
    const server = await udpServer((asked, reply) => {
      const name = asked.questions?.[0]?.name
      if (name === NAME) reply(response(asked, { answers: [ADDRESS] }))
      if (name === 'broken.local') reply(response(asked, { rcode: SERVFAIL }))
      if (name === 'cut.local') reply(response(asked, { answers: [ADDRESS] }).subarray(0, -1))
      if (name === 'big.local') reply(response(asked, { truncated: true }))
    })
    await tcpServer(server.port, (_, socket) => socket.destroy())
    const stub = new StubResolver({ ...optionsFor([server]), clock: manualClock() })
    const abort = new AbortController()
    const names = ['broken.local', 'cut.local', 'big.local', 'silent.local', 'no..name']
    const failed = names.flatMap((name) =>
      Array.from({ length: 40 }, () => failureOf(stub.query(name, 'A', abort.signal))),
    )
    await until(() => server.asked.includes('silent.local A'))
    abort.abort(new Error('the caller went away'))
    await Promise.all(failed)
    const many = Array.from({ length: 64 }, () => stub.query(NAME, 'A', never))
    await Promise.all(many)
  })
})

test.each([
  ['10.0.0.2', { address: '10.0.0.2', port: 53 }],
  ['127.0.0.1:5353', { address: '127.0.0.1', port: 5353 }],
  ['::1', { address: '::1', port: 53 }],
  ['[::1]:53', { address: '::1', port: 53 }],
  ['[fd00::2]', { address: 'fd00::2', port: 53 }],
  ['ns.example', undefined],
  ['10.0.0.2:0', undefined],
  ['10.0.0.2:65536', undefined],
  ['10.0.0', undefined],
  ['[10.0.0.2]:53', undefined],
  ['', undefined],
])('a server written as %j is read as %j', (text, server) => expect(parseDnsServer(text)).toEqual(server))

import { createSocket } from 'node:dgram'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/core/clock.ts'
import { ResolutionFailedError } from '../../src/core/errors.ts'
import { encodeQuery } from '../../src/discovery/dns-message.ts'
import { parseDnsServer, query, type DnsQueryOptions } from '../../src/discovery/dns-wire.ts'
import { manualClock, type ManualClock } from '../../src/testing/manual-clock.ts'
import {
  a,
  aaaa,
  NXDOMAIN,
  REFUSED,
  response,
  SERVFAIL,
  tcpServer,
  udpServer,
  withLength,
  type UdpServer,
} from './dns-servers.ts'

const NAME = 'orders.shop.local'
const ADDRESS = a(NAME, '10.0.1.5')

function optionsFor(servers: readonly UdpServer[], more: Partial<DnsQueryOptions> = {}): DnsQueryOptions {
  return {
    servers: servers.map(({ port }) => ({ address: '127.0.0.1', port })),
    timeoutMs: 1000,
    rounds: 2,
    clock: systemClock,
    signal: new AbortController().signal,
    ...more,
  }
}

async function failure(promise: Promise<unknown>): Promise<Error> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof Error)) throw new Error('it did not fail')
  return error
}

/** Real packets need real turns of the loop, while time stands still: advance only once `reached`. */
async function until(reached: () => boolean): Promise<void> {
  while (!reached()) await new Promise((resolve) => setTimeout(resolve, 1))
}

async function timeOut(clock: ManualClock, reached: () => boolean): Promise<void> {
  await until(() => reached() && clock.pendingTimers > 0)
  await clock.advance(1000)
}

const openSockets = (): string[] =>
  process.getActiveResourcesInfo().filter((resource) => /UDPWrap|TCPSocketWrap|ConnectWrap/.test(resource))

describe('one exchange', () => {
  test('asks with recursion, EDNS of 1232 bytes, an id and a source port of its own', async () => {
    const server = await udpServer((asked, reply) => reply(response(asked, { answers: [ADDRESS] })))
    for (let i = 0; i < 20; i++) {
      const { answers } = await query(NAME, 'A', optionsFor([server]))
      expect(answers).toEqual([{ type: 'A', name: NAME, ttlSeconds: 30, address: '10.0.1.5' }])
    }
    expect(new Set(server.ids).size).toBeGreaterThan(15)
    expect(new Set(server.sources).size).toBeGreaterThan(15)
    expect(server.queries[0]?.flag_rd).toBe(true)
    expect(server.queries[0]?.additionals).toMatchObject([{ type: 'OPT', udpPayloadSize: 1232 }])
  })

  test('NXDOMAIN is an answer, not an error', async () => {
    const server = await udpServer((asked, reply) => reply(response(asked, { rcode: NXDOMAIN })))
    expect((await query(NAME, 'A', optionsFor([server]))).rcode).toBe('NXDOMAIN')
  })

  test('the answer may spell the name in other case', async () => {
    const server = await udpServer((asked, reply) =>
      reply(
        response(asked, {
          questions: [{ type: 'A', name: 'ORDERS.Shop.Local', class: 'IN' }],
          answers: [a('Orders.SHOP.local', '10.0.1.5')],
        }),
      ),
    )
    const { answers } = await query(NAME, 'A', optionsFor([server]))
    expect(answers).toMatchObject([{ name: NAME, address: '10.0.1.5' }])
  })

  test('garbage and answers to other questions are ignored, and the right one is waited for', async () => {
    const forged = [a(NAME, '6.6.6.6')]
    const server = await udpServer((asked, reply) => {
      reply(Buffer.from('garbage'))
      reply(Buffer.alloc(0))
      reply(Buffer.alloc(600, 0xff))
      reply(response(asked, { id: (asked.id + 1) % 65_536, answers: forged }))
      reply(
        response(asked, {
          questions: [{ type: 'A', name: 'other.shop.local', class: 'IN' }],
          answers: forged,
        }),
      )
      reply(response(asked, { questions: [{ type: 'AAAA', name: NAME, class: 'IN' }], answers: forged }))
      reply(response(asked, { questions: [{ type: 'A', name: NAME, class: 'CH' }], answers: forged }))
      reply(response(asked, { questions: [], answers: forged }))
      reply(response(asked, { type: 'query', answers: forged }))
      reply(response(asked, { answers: [ADDRESS] }))
    })
    const { answers } = await query(NAME, 'A', optionsFor([server]))
    expect(answers).toMatchObject([{ address: '10.0.1.5' }])
  })

  test('what comes from another address than the server is not heard', async () => {
    const stranger = createSocket('udp4')
    const server = await udpServer((asked, reply) => {
      const port = server.sources.at(-1) ?? 0
      stranger.send(response(asked, { answers: [a(NAME, '6.6.6.6')] }), port, '127.0.0.1', () =>
        setTimeout(() => reply(response(asked, { answers: [ADDRESS] })), 20),
      )
    })
    const { answers } = await query(NAME, 'A', optionsFor([server]))
    stranger.close()
    expect(answers).toMatchObject([{ address: '10.0.1.5' }])
  })

  test.each([
    ['cut off in the last address', (whole: Buffer) => whole.subarray(0, -2)],
    ['cut off after the header', (whole: Buffer) => whole.subarray(0, 14)],
    [
      'with a name that points at itself',
      (whole: Buffer) => {
        const broken = Buffer.from(whole)
        broken.writeUInt16BE(0xc00c, 12)
        return broken
      },
    ],
  ])('an answer %s is an error at once, which names it', async (_, cut) => {
    const server = await udpServer((asked, reply) => reply(cut(response(asked, { answers: [ADDRESS] }))))
    const clock = manualClock()
    const error = await failure(query(NAME, 'A', optionsFor([server], { clock })))
    expect(error).toBeInstanceOf(ResolutionFailedError)
    expect(error.message).toMatch(
      /^\[ONEHOP_RESOLUTION_FAILED\] orders\.shop\.local: A query failed: 127\.0\.0\.1:\d+ sent a malformed answer \(.+\)$/,
    )
    expect(server.asked).toHaveLength(1)
    expect(clock.pendingTimers).toBe(0)
  })

  test('an IPv6 address that is cut short is not filled up with zeros', async () => {
    const whole = { answers: [aaaa(NAME, '2600:1f18::5')] }
    const server = await udpServer((asked, reply) => reply(response(asked, whole).subarray(0, -2)))
    const error = await failure(query(NAME, 'AAAA', optionsFor([server])))
    expect(error.message).toContain('sent a malformed answer (the message is cut short)')
  })

  test('a TTL with the top bit set counts as 0', async () => {
    const server = await udpServer((asked, reply) =>
      reply(response(asked, { answers: [a(NAME, '10.0.1.5', 2 ** 31)] })),
    )
    const { answers } = await query(NAME, 'A', optionsFor([server]))
    expect(answers).toMatchObject([{ ttlSeconds: 0 }])
  })

  test('a name that no message can hold is refused without asking', async () => {
    const server = await udpServer(() => {})
    for (const name of ['', 'a..b', `${'x'.repeat(64)}.local`, `${'abcdefg.'.repeat(32)}local`]) {
      const error = await failure(query(name, 'A', optionsFor([server])))
      expect(error.message).toContain('no name that DNS could know')
    }
    expect(server.asked).toEqual([])
  })
})

describe('servers in their order', () => {
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

  test('all silent: each is asked once a round, and then told', async () => {
    const servers = [await udpServer(() => {}), await udpServer(() => {})]
    const [first, second] = servers
    const clock = manualClock()
    const failed = failure(query(NAME, 'A', optionsFor(servers, { clock })))
    await timeOut(clock, () => first?.asked.length === 1)
    await timeOut(clock, () => second?.asked.length === 1)
    await timeOut(clock, () => first?.asked.length === 2)
    await timeOut(clock, () => second?.asked.length === 2)
    const { message } = await failed
    expect(message).toContain(`${first?.server} gave no answer in 1000 ms; ${second?.server} gave no answer`)
    expect(clock.now()).toBe(4000)
    expect(clock.pendingTimers).toBe(0)
    expect(openSockets()).toEqual(['UDPWrap', 'UDPWrap'])
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
    const broken = await udpServer((asked, reply) => reply(response(asked, { rcode: SERVFAIL })))
    const { message } = await failure(query(NAME, 'A', optionsFor([broken])))
    expect(message).toContain(`A query failed: ${broken.server} answered SERVFAIL`)
    expect(broken.asked).toHaveLength(1)
  })

  test('a closed port is noticed at once', async () => {
    const good = await udpServer((asked, reply) => reply(response(asked, { answers: [ADDRESS] })))
    const clock = manualClock()
    const servers = [{ address: '127.0.0.1', port: 1 }, ...optionsFor([good]).servers]
    expect((await query(NAME, 'A', optionsFor([], { servers, clock }))).answers).toHaveLength(1)
    expect(clock.now()).toBe(0)
  })

  test('a referral to other servers is no answer', async () => {
    const referring = await udpServer((asked, reply) =>
      reply(response(asked, { authorities: [{ type: 'NS', name: 'local', ttl: 60, data: 'ns.example' }] })),
    )
    const { message } = await failure(query(NAME, 'A', optionsFor([referring])))
    expect(message).toContain('referred to other servers')
  })
})

describe('truncated answers', () => {
  const truncating = (): Promise<UdpServer> =>
    udpServer((asked, reply) => reply(response(asked, { truncated: true, answers: [a(NAME, '6.6.6.6')] })))
  const many = Array.from({ length: 60 }, (_, index) => a(NAME, `10.0.1.${index}`))

  test('are asked for again over TCP, whose answer may come in pieces', async () => {
    const udp = await truncating()
    const tcp = await tcpServer(udp.port, (asked, socket) => {
      const bytes = withLength(response(asked, { answers: many }))
      socket.setNoDelay(true)
      let sent = 0
      const sendPiece = (): void => {
        // The first pieces cut through the length itself.
        const size = sent < 3 ? 1 : 400
        socket.write(bytes.subarray(sent, sent + size))
        sent += size
        if (sent < bytes.length) setTimeout(sendPiece, 2)
      }
      sendPiece()
    })
    const { answers } = await query(NAME, 'A', optionsFor([udp]))
    expect(answers).toHaveLength(60)
    expect(tcp.connections).toBe(1)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(openSockets()).toEqual(['UDPWrap'])
  })

  test.each([
    [
      'closes early',
      (asked: Parameters<Parameters<typeof tcpServer>[1]>[0]) => withLength(response(asked)).subarray(0, 9),
      'connection closed after 9 bytes',
    ],
    [
      'answers another question',
      (asked: Parameters<Parameters<typeof tcpServer>[1]>[0]) =>
        withLength(response(asked, { id: (asked.id + 1) % 65_536 })),
      'the answer is to another question',
    ],
    [
      'truncates again',
      (asked: Parameters<Parameters<typeof tcpServer>[1]>[0]) =>
        withLength(response(asked, { truncated: true })),
      'sent a truncated answer over TCP',
    ],
    [
      'sends a malformed answer',
      (asked: Parameters<Parameters<typeof tcpServer>[1]>[0]) =>
        withLength(response(asked, { answers: many }).subarray(0, 99)),
      'sent a malformed answer',
    ],
  ])('a TCP server that %s is told, and the next is asked', async (_, reply, told) => {
    const udp = await truncating()
    await tcpServer(udp.port, (asked, socket) => socket.end(reply(asked)))
    const { message } = await failure(query(NAME, 'A', optionsFor([udp])))
    expect(message).toContain(told)
    const good = await udpServer((asked, send) => send(response(asked, { answers: [ADDRESS] })))
    expect((await query(NAME, 'A', optionsFor([udp, good]))).answers).toHaveLength(1)
  })

  test('a TCP server that is not there is told', async () => {
    const { message } = await failure(query(NAME, 'A', optionsFor([await truncating()])))
    expect(message).toContain('ECONNREFUSED')
  })

  test('a silent TCP server has the same time as any try', async () => {
    const udp = await truncating()
    const tcp = await tcpServer(udp.port, () => {})
    const clock = manualClock()
    const failed = failure(query(NAME, 'A', optionsFor([udp], { clock, rounds: 1 })))
    await timeOut(clock, () => tcp.connections === 1)
    expect((await failed).message).toContain('gave no answer in 1000 ms')
  })
})

describe('an abort', () => {
  const reason = new Error('the caller went away')

  test('before anything is sent', async () => {
    const server = await udpServer(() => {})
    expect(await failure(query(NAME, 'A', optionsFor([server], { signal: AbortSignal.abort(reason) })))).toBe(
      reason,
    )
    expect(server.asked).toEqual([])
  })

  test('in the turn in which the socket is opened', async () => {
    const server = await udpServer(() => {})
    const abort = new AbortController()
    const clock = manualClock()
    const failed = failure(query(NAME, 'A', optionsFor([server], { signal: abort.signal, clock })))
    abort.abort(reason)
    expect(await failed).toBe(reason)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(openSockets()).toEqual(['UDPWrap'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('while a silent server is waited for: no socket, timer or further query is left', async () => {
    const servers = [await udpServer(() => {}), await udpServer(() => {})]
    const abort = new AbortController()
    const clock = manualClock()
    const failed = failure(query(NAME, 'A', optionsFor(servers, { signal: abort.signal, clock })))
    await until(() => servers[0]?.asked.length === 1)
    abort.abort(reason)
    expect(await failed).toBe(reason)
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(servers[1]?.asked).toEqual([])
    expect(openSockets()).toEqual(['UDPWrap', 'UDPWrap'])
    expect(clock.pendingTimers).toBe(0)
  })

  test('while a TCP answer is waited for', async () => {
    const udp = await udpServer((asked, reply) => reply(response(asked, { truncated: true })))
    const tcp = await tcpServer(udp.port, () => {})
    const abort = new AbortController()
    const clock = manualClock()
    const failed = failure(query(NAME, 'A', optionsFor([udp], { signal: abort.signal, clock })))
    await until(() => tcp.connections === 1)
    abort.abort(reason)
    expect(await failed).toBe(reason)
    expect(clock.pendingTimers).toBe(0)
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

test('a query has the bytes that RFC 1035 and RFC 6891 ask for', () => {
  expect(encodeQuery({ id: 0x1234, name: 'a.b', type: 'SRV' }).toString('hex')).toBe(
    '12340100000100000000000101610162000021000100002904d0000000000000',
  )
})

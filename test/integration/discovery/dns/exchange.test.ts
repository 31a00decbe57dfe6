import { createSocket } from 'node:dgram'
import type { Socket as TcpSocket } from 'node:net'
import type { Answer } from 'dns-packet'
import { describe, expect, test } from 'vitest'
import type { Clock } from '../../../../src/core/clock.ts'
import { ResolutionFailedError } from '../../../../src/core/errors.ts'
import { encodeQuery } from '../../../../src/discovery/dns/wire/message.ts'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { NAME, optionsFor, query, timeOut } from '../../../support/dns/queries.ts'
import { failureOf } from '../../../support/failure-of.ts'
import {
  a,
  aaaa,
  FORMERR,
  NOTIMP,
  NXDOMAIN,
  opt,
  response,
  tcpServer,
  udpServer,
  vacantPlace,
  withLength,
  type Query,
  type UdpServer,
} from '../../../support/dns/servers.ts'
import { openSockets } from '../../../support/open-sockets.ts'
import { until } from '../../../support/until.ts'

const ADDRESS = a(NAME, '10.0.1.5')
const OPT = opt()

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
      // Both go to one socket, and this one first.
      stranger.send(response(asked, { answers: [a(NAME, '6.6.6.6')] }), port, '127.0.0.1', () =>
        reply(response(asked, { answers: [ADDRESS] })),
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
    const error = await failureOf(query(NAME, 'A', optionsFor([server], { clock })))
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
    const error = await failureOf(query(NAME, 'AAAA', optionsFor([server])))
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
      const error = await failureOf(query(name, 'A', optionsFor([server])))
      expect(error.message).toContain('not a valid DNS name')
    }
    expect(server.asked).toEqual([])
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
    await expect.poll(openSockets).toEqual([])
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
    const { message } = await failureOf(query(NAME, 'A', optionsFor([udp])))
    expect(message).toContain(told)
    const good = await udpServer((asked, send) => send(response(asked, { answers: [ADDRESS] })))
    expect((await query(NAME, 'A', optionsFor([udp, good]))).answers).toHaveLength(1)
  })

  test('a missing TCP server is an error that says so', async () => {
    const { message } = await failureOf(query(NAME, 'A', optionsFor([await truncating()])))
    expect(message).toContain('ECONNREFUSED')
  })

  test('a silent TCP server has the same time as any try', async () => {
    const udp = await truncating()
    const tcp = await tcpServer(udp.port, () => {})
    const clock = manualClock()
    const failed = failureOf(query(NAME, 'A', optionsFor([udp], { clock, tries: 1 })))
    await timeOut(clock, () => tcp.connections === 1)
    expect((await failed).message).toContain('gave no answer in 1000 ms')
  })
})

describe('servers behind TCP alone', () => {
  const overTcp = (asked: Query, socket: TcpSocket): void =>
    void socket.end(withLength(response(asked, { answers: [ADDRESS] })))

  test('are asked over TCP at once when they refuse datagrams', async () => {
    const place = vacantPlace()
    const tcp = await tcpServer(place.port, overTcp, place.address)
    const stub = { ...optionsFor([]), servers: [place] }
    expect((await query(NAME, 'A', stub)).answers).toHaveLength(1)
    expect(tcp.connections).toBe(1)
  })

  test('are asked over TCP the second time when datagrams bring no answer', async () => {
    const silent = await udpServer(() => {})
    await tcpServer(silent.port, overTcp)
    const clock = manualClock()
    const answer = query(NAME, 'A', optionsFor([silent], { clock }))
    await timeOut(clock, () => silent.asked.length === 1)
    expect((await answer).answers).toHaveLength(1)
    expect(silent.asked).toHaveLength(1)
    expect(clock.pendingTimers).toBe(0)
  })

  test('a port that is closed for both is an error, after both were tried', async () => {
    const stub = { ...optionsFor([]), servers: [vacantPlace()] }
    expect((await failureOf(query(NAME, 'A', stub))).message).toContain('ECONNREFUSED')
    await until(() => openSockets().length === 0)
  })

  test('a server that speaks UDP alone, and lost a packet, is asked over UDP again', async () => {
    let lost = false
    const server = await udpServer((asked, reply) => {
      if (lost) reply(response(asked, { answers: [ADDRESS] }))
      lost = true
    })
    const clock = manualClock()
    const answer = query(NAME, 'A', optionsFor([server], { clock }))
    await timeOut(clock, () => server.asked.length === 1)
    expect((await answer).answers).toHaveLength(1)
    expect(server.asked).toHaveLength(2)
  })
})

describe('servers without EDNS', () => {
  const knowsEdns = (asked: Query): boolean => (asked.additionals ?? []).some(({ type }) => type === 'OPT')

  test.each<[string, (asked: Query) => Buffer]>([
    ['FORMERR', (asked) => response(asked, { rcode: FORMERR })],
    ['FORMERR without the question', (asked) => response(asked, { rcode: FORMERR, questions: [] })],
    ['NOTIMP', (asked) => response(asked, { rcode: NOTIMP })],
    ['BADVERS', (asked) => response(asked, { additionals: [{ ...OPT, extendedRcode: 1 }] })],
  ])('are asked once more without it when they say %s', async (_, refusal) => {
    const old = await udpServer((asked, reply) =>
      reply(knowsEdns(asked) ? refusal(asked) : response(asked, { answers: [ADDRESS] })),
    )
    expect((await query(NAME, 'A', optionsFor([old]))).answers).toHaveLength(1)
    expect(old.queries.map(knowsEdns)).toEqual([true, false])
    expect(new Set(old.sources).size).toBe(2)
  })

  test('have said FORMERR twice: the next server is asked', async () => {
    const broken = await udpServer((asked, reply) => reply(response(asked, { rcode: FORMERR })))
    const { message } = await failureOf(query(NAME, 'A', optionsFor([broken])))
    expect(message).toContain(`${broken.server} answered FORMERR`)
    expect(broken.asked).toHaveLength(2)
  })

  test('send no more than 512 bytes over UDP, else they are asked over TCP', async () => {
    const many = Array.from({ length: 30 }, (_, index) => a(NAME, `10.0.1.${index}`))
    const old = await udpServer((asked, reply) =>
      reply(response(asked, knowsEdns(asked) ? { rcode: FORMERR } : { answers: many })),
    )
    const tcp = await tcpServer(old.port, (asked, socket) => {
      expect(knowsEdns(asked)).toBe(false)
      socket.end(withLength(response(asked, { answers: many })))
    })
    expect((await query(NAME, 'A', optionsFor([old]))).answers).toHaveLength(30)
    expect(tcp.connections).toBe(1)
  })
})

test('an extended RCODE is not taken for NOERROR', async () => {
  const server = await udpServer((asked, reply) =>
    reply(response(asked, { answers: [ADDRESS], additionals: [{ ...OPT, extendedRcode: 2 }] })),
  )
  expect((await failureOf(query(NAME, 'A', optionsFor([server])))).message).toContain('answered RCODE 32')
})

describe('a datagram larger than what was offered', () => {
  const large = Array.from({ length: 100 }, (_, index) => a(NAME, `6.6.6.${index}`))

  test.each<[string, (whole: Buffer) => Buffer]>([
    ['whole', (whole) => whole],
    ['with fragments that make no sense', (whole) => whole.fill(0xff, 600)],
  ])('is not taken, but asked for again over TCP (%s)', async (_, sent) => {
    const udp = await udpServer((asked, reply) => reply(sent(response(asked, { answers: large }))))
    const tcp = await tcpServer(udp.port, (asked, socket) =>
      socket.end(withLength(response(asked, { answers: [ADDRESS] }))),
    )
    const { answers } = await query(NAME, 'A', optionsFor([udp]))
    expect(answers).toMatchObject([{ address: '10.0.1.5' }])
    expect(tcp.connections).toBe(1)
  })

  test('and without TCP is an error', async () => {
    const udp = await udpServer((asked, reply) => reply(response(asked, { answers: large })))
    expect((await failureOf(query(NAME, 'A', optionsFor([udp])))).message).toContain('ECONNREFUSED')
  })

  test('of exactly 1232 bytes is taken', async () => {
    const padding: Answer = { type: 'NULL', name: '.', ttl: 0, data: Buffer.alloc(0) }
    const server = await udpServer((asked, reply) => {
      const free = 1232 - response(asked, { answers: [ADDRESS], additionals: [padding] }).length
      reply(response(asked, { answers: [ADDRESS], additionals: [{ ...padding, data: Buffer.alloc(free) }] }))
    })
    expect((await query(NAME, 'A', optionsFor([server]))).answers).toHaveLength(1)
  })
})

describe('an answer that arrived while this process was busy', () => {
  /** A clock that fires its timers before what was sent in this turn is read, as they fire in a process that was busy. */
  function lateClock(): { clock: Clock; isLate(): void } {
    const timers = new Set<() => void>()
    const setTimer: Clock['setTimer'] = (callback) => {
      timers.add(callback)
      return { cancel: () => void timers.delete(callback) }
    }
    const fireAll = (): void => timers.forEach((callback) => callback())
    return { clock: { ...manualClock(), setTimer }, isLate: () => void setImmediate(fireAll) }
  }

  test('counts over UDP: no other is asked', async () => {
    const { clock, isLate } = lateClock()
    const server = await udpServer((asked, reply) => {
      reply(response(asked, { answers: [ADDRESS] }))
      isLate()
    })
    const next = await udpServer((asked, reply) => reply(response(asked)))
    expect((await query(NAME, 'A', optionsFor([server, next], { clock }))).answers).toHaveLength(1)
    expect(server.asked).toHaveLength(1)
  })

  test('counts over TCP', async () => {
    const { clock, isLate } = lateClock()
    const udp = await udpServer((asked, reply) => reply(response(asked, { truncated: true })))
    const tcp = await tcpServer(udp.port, (asked, socket) => {
      socket.write(withLength(response(asked, { answers: [ADDRESS] })))
      isLate()
    })
    expect((await query(NAME, 'A', optionsFor([udp], { clock }))).answers).toHaveLength(1)
    expect(tcp.connections).toBe(1)
  })
})

describe('an abort', () => {
  const reason = new Error('the caller went away')

  test('before anything is sent', async () => {
    const server = await udpServer(() => {})
    expect(
      await failureOf(query(NAME, 'A', optionsFor([server], { signal: AbortSignal.abort(reason) }))),
    ).toBe(reason)
    expect(server.asked).toEqual([])
  })

  test('in the turn in which the socket is opened', async () => {
    const server = await udpServer(() => {})
    const abort = new AbortController()
    const clock = manualClock()
    const failed = failureOf(query(NAME, 'A', optionsFor([server], { signal: abort.signal, clock })))
    abort.abort(reason)
    expect(await failed).toBe(reason)
    await expect.poll(openSockets).toEqual([])
    expect(clock.pendingTimers).toBe(0)
  })

  test('while a silent server is waited for: no socket, timer or further query is left', async () => {
    const servers = [await udpServer(() => {}), await udpServer(() => {})]
    const [abort, abortLast] = [new AbortController(), new AbortController()]
    const clock = manualClock()
    const failed = failureOf(query(NAME, 'A', optionsFor(servers, { signal: abort.signal, clock })))
    await until(() => servers[0]?.asked.length === 1)
    abort.abort(reason)
    expect(await failed).toBe(reason)
    await expect.poll(openSockets).toEqual([])
    expect(clock.pendingTimers).toBe(0)
    // What was sent before would have arrived before.
    const last = failureOf(
      query('last.local', 'A', optionsFor(servers.slice(1), { signal: abortLast.signal })),
    )
    await until(() => servers[1]?.asked.length !== 0)
    expect(servers[1]?.asked).toEqual(['last.local A'])
    abortLast.abort(reason)
    await last
  })

  test('while a TCP answer is waited for', async () => {
    const udp = await udpServer((asked, reply) => reply(response(asked, { truncated: true })))
    const tcp = await tcpServer(udp.port, () => {})
    const abort = new AbortController()
    const clock = manualClock()
    const failed = failureOf(query(NAME, 'A', optionsFor([udp], { signal: abort.signal, clock })))
    await until(() => tcp.connections === 1)
    abort.abort(reason)
    expect(await failed).toBe(reason)
    expect(clock.pendingTimers).toBe(0)
  })
})

test('a query has the bytes that RFC 1035 and RFC 6891 ask for', () => {
  expect(encodeQuery({ id: 0x1234, name: 'a.b', type: 'SRV' }, 1232).toString('hex')).toBe(
    '12340100000100000000000101610162000021000100002904d0000000000000',
  )
})

import { createSocket } from 'node:dgram'
import { decode } from 'dns-packet'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { dnsResolver } from '../../../../../src/discovery/dns/resolver.ts'
import { parseServiceName } from '../../../../../src/discovery/service-name.ts'
import { startLocalAws, type LocalAws } from '../../../../../src/testing/local-aws/index.ts'
import { manualClock, type ManualClock } from '../../../../../src/testing/fakes/manual-clock.ts'
import {
  addressesIn,
  askTcp,
  askUdp,
  exchangeUdp,
  portOf,
  query,
  type DnsAnswer,
} from '../../../../support/dns/ask.ts'

const HOST = 'orders.shop.local'

let aws: LocalAws
let clock: ManualClock

beforeEach(async () => {
  clock = manualClock()
  aws = await startLocalAws({ clock })
  aws.addService(HOST)
  aws.register(HOST, 'task-1', { ipv4: '10.0.0.1' })
})

afterEach(() => aws.close())

const udp = (id = 7) => askUdp(aws.dns.server, { name: HOST, id })
const tcp = async () => (await askTcp(aws.dns.server, [{ name: HOST }]))[0]

test('SERVFAIL and REFUSED over both transports, and back to normal', async () => {
  aws.dns.faults.answer = 'servfail'
  expect(await udp()).toMatchObject({ rcode: 'SERVFAIL', answers: [] })
  expect(await tcp()).toMatchObject({ rcode: 'SERVFAIL' })
  aws.dns.faults.answer = 'refused'
  expect((await udp()).rcode).toBe('REFUSED')
  aws.dns.faults.clear()
  expect(addressesIn(await udp())).toEqual(['10.0.0.1'])
})

test('dropped queries are counted and never answered; TCP answers when only UDP drops', async () => {
  aws.dns.faults.answer = 'drop'
  aws.dns.faults.transport = 'udp'
  const abort = new AbortController()
  let answered = false
  const unanswered = askUdp(aws.dns.server, { name: HOST, id: 1 }, abort.signal).then(
    () => (answered = true),
    () => {},
  )
  await expect.poll(() => aws.dns.countQueries({ transport: 'udp' })).toBe(1)
  expect((await tcp())?.answers).toHaveLength(1)
  aws.dns.faults.clear()
  expect((await udp(2)).id).toBe(2)
  abort.abort()
  await unanswered
  expect(answered).toBe(false)
})

test('truncated over UDP whatever the size, whole over TCP', async () => {
  aws.dns.faults.answer = 'truncate'
  expect(await udp()).toMatchObject({ flag_tc: true, answers: [] })
  expect(await tcp()).toMatchObject({ flag_tc: false })
  expect((await tcp())?.answers).toHaveLength(1)
})

test('garbage has the right id, and cannot be read', async () => {
  aws.dns.faults.answer = 'garbage'
  const bytes = await exchangeUdp(aws.dns.server, query({ name: HOST, id: 4711 }))
  expect(bytes.readUInt16BE(0)).toBe(4711)
  expect(() => decode(bytes)).toThrow()
})

test('a forged answer has another id', async () => {
  aws.dns.faults.answer = 'wrong-id'
  expect((await udp(65_535)).id).toBe(0)
})

test('an answer from another port than the one asked; TCP answers as ever', async () => {
  aws.dns.faults.answer = 'wrong-port'
  const socket = createSocket('udp4')
  onTestFinished(() => void socket.close())
  const sources: number[] = []
  socket.on('message', (message, { port }) => {
    expect(addressesIn(decode(message) as DnsAnswer)).toEqual(['10.0.0.1'])
    sources.push(port)
  })
  socket.send(query({ name: HOST, id: 7 }), portOf(aws.dns.server), '127.0.0.1')
  await expect.poll(() => sources).toHaveLength(1)
  expect(sources[0]).not.toBe(portOf(aws.dns.server))
  // The resolver does not hear it.
  const resolver = dnsResolver({ servers: [aws.dns.server], tries: 1, clock })
  const failed = expect(
    resolver.resolve(parseServiceName(HOST, []), new AbortController().signal),
  ).rejects.toThrow('gave no answer in 1000 ms')
  await expect.poll(() => aws.dns.countQueries({ transport: 'udp' })).toBe(2)
  aws.dns.faults.clear()
  // Answered after it, over the same sockets: whatever came of the first has come by now.
  await udp()
  await clock.advance(1000)
  await failed
  aws.dns.faults.answer = 'wrong-port'
  expect((await tcp())?.answers).toHaveLength(1)
})

test('the same answer two times, which the resolver does not mind', async () => {
  aws.dns.faults.answer = 'twice'
  const socket = createSocket('udp4')
  onTestFinished(() => void socket.close())
  const answers: Buffer[] = []
  socket.on('message', (message) => answers.push(message))
  socket.send(query({ name: HOST, id: 7 }), portOf(aws.dns.server), '127.0.0.1')
  await expect.poll(() => answers).toHaveLength(2)
  expect(answers[0]).toEqual(answers[1])
  const resolver = dnsResolver({ servers: [aws.dns.server], clock })
  for (let i = 0; i < 3; i++) {
    const { endpoints } = await resolver.resolve(parseServiceName(HOST, []), new AbortController().signal)
    expect(endpoints).toMatchObject([{ address: '10.0.0.1' }])
  }
})

test('a delayed answer comes when its time is over', async () => {
  aws.dns.faults.delayMs = 50
  let answered = false
  const answer = udp().then(() => (answered = true))
  await expect.poll(() => clock.pendingTimers).toBe(1)
  await clock.advance(49)
  expect(answered).toBe(false)
  await clock.advance(1)
  await answer
})

test('a fault can be kept to some names', async () => {
  aws.addRecords('www.app.io', { addresses: ['192.0.2.1'] })
  aws.dns.faults.answer = 'servfail'
  aws.dns.faults.only = ['WWW.app.io']
  expect((await askUdp(aws.dns.server, { name: 'www.app.io' })).rcode).toBe('SERVFAIL')
  expect((await udp()).rcode).toBe('NOERROR')
})

import { decode } from 'dns-packet'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startLocalAws, type LocalAws } from '../../../src/testing/local-aws/index.ts'
import { manualClock, type ManualClock } from '../../../src/testing/manual-clock.ts'
import { addressesIn, askTcp, askUdp, exchangeUdp, query } from './ask-dns.ts'

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

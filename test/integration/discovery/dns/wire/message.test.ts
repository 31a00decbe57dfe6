/** What a message may say that is not so: refused (an error), or ignored. */
import { encode, type Answer } from 'dns-packet'
import { describe, expect, test } from 'vitest'
import {
  decodeAnswer,
  type DnsAnswer,
  type DnsQuestion,
} from '../../../../../src/discovery/dns/wire/message.ts'
import { a, aaaa, cname, soa, srv, type Sections } from '../../../../support/dns/servers.ts'

const NAME = 'orders.shop.local'
const QUESTION: DnsQuestion = { id: 0x1234, name: NAME, type: 'A' }
/** Where the question's name begins; what a pointer to it looks like on the wire. */
const QUESTION_AT = 12
const TO_QUESTION = [0xc0, QUESTION_AT]
const QUESTION_END = QUESTION_AT + NAME.length + 2 + 4

const A = 1
const CNAME = 5
const TXT = 16
const SRV = 33
const IN = 1
const CHAOS = 3
const ANSWERS_AT = 6

function answer(sections: Sections = {}, type: DnsQuestion['type'] = 'A'): Buffer {
  const { answers = [], authorities = [], additionals = [] } = sections
  return encode({
    type: 'response',
    id: QUESTION.id,
    flags: sections.rcode ?? 0,
    questions: [{ type, name: NAME, class: 'IN' }],
    answers,
    authorities,
    additionals,
  })
}

/** A record's bytes; `length` is what it says of its data. */
function record(
  name: readonly number[],
  type: number,
  data: readonly number[],
  length = data.length,
): Buffer {
  const fields = Buffer.alloc(10)
  fields.writeUInt16BE(type, 0)
  fields.writeUInt16BE(IN, 2)
  fields.writeUInt32BE(30, 4)
  fields.writeUInt16BE(length, 8)
  return Buffer.concat([Buffer.from(name), fields, Buffer.from(data)])
}

/** An answer with these records, byte by byte. */
function answerOf(records: readonly Buffer[], count = records.length): Buffer {
  const head = answer()
  head.writeUInt16BE(count, ANSWERS_AT)
  return Buffer.concat([head, ...records])
}

const read = (message: Buffer): DnsAnswer | undefined => decodeAnswer(message, QUESTION)
const addressesIn = (message: Buffer): unknown[] =>
  read(message)?.answers.map((found) => ('address' in found ? found.address : found)) ?? []

const GOOD = record(TO_QUESTION, A, [10, 0, 1, 5])

test('a compressed answer is read', () => {
  expect(read(answerOf([GOOD]))?.answers).toEqual([
    { type: 'A', name: NAME, ttlSeconds: 30, address: '10.0.1.5' },
  ])
})

describe('no answer to the question, and ignored', () => {
  test.each<[string, (message: Buffer) => void]>([
    ['a query', (message) => message.writeUInt8(message.readUInt8(2) & 0x7f, 2)],
    ['another opcode', (message) => message.writeUInt8(message.readUInt8(2) | 0x28, 2)],
    ['another id', (message) => message.writeUInt16BE(0x1235, 0)],
    ['no question', (message) => message.writeUInt16BE(0, 4)],
    ['two questions', (message) => message.writeUInt16BE(2, 4)],
    ['another name', (message) => message.write('x', QUESTION_AT + 1)],
    ['another type', (message) => message.writeUInt16BE(CNAME, QUESTION_END - 4)],
    ['another class', (message) => message.writeUInt16BE(CHAOS, QUESTION_END - 2)],
  ])('%s', (_, change) => {
    const message = answerOf([GOOD])
    change(message)
    expect(read(message)).toBeUndefined()
  })

  test.each([0, 1, 11])('%i bytes', (bytes) => {
    expect(read(answerOf([GOOD]).subarray(0, bytes))).toBeUndefined()
  })
})

describe('records that are ignored', () => {
  test.each([CHAOS, 0x8000 | IN, 0, 255])('of class %i', (otherClass) => {
    const other = Buffer.from(record(TO_QUESTION, A, [6, 6, 6, 6]))
    other.writeUInt16BE(otherClass, 4)
    expect(addressesIn(answerOf([other, GOOD]))).toEqual(['10.0.1.5'])
  })

  test('of class CHAOS, whose addresses are of another kind (RFC 1035 section 3.4.1 is for IN)', () => {
    const other = Buffer.from(record(TO_QUESTION, A, [...TO_QUESTION, 0, 7, 7, 7]))
    other.writeUInt16BE(CHAOS, 4)
    expect(addressesIn(answerOf([other, GOOD]))).toEqual(['10.0.1.5'])
  })

  // RP, NAPTR, NSEC, SSHFP, an OPT whose options are not as long as they say.
  test.each([17, 35, 47, 44, 41, 65, 0xffff])('of type %i, whatever their data', (type) => {
    const other = record(TO_QUESTION, type, [0xff, 0xff, 0xc0, 0xff, 0, 8, 0, 0])
    expect(addressesIn(answerOf([other, GOOD]))).toEqual(['10.0.1.5'])
  })

  test('and so are bytes behind the last', () => {
    expect(addressesIn(Buffer.concat([answerOf([GOOD]), Buffer.alloc(99, 0xff)]))).toEqual(['10.0.1.5'])
  })
})

describe('a length that lies is an error', () => {
  const target = [1, 0x61, ...TO_QUESTION]
  test.each<[string, Buffer]>([
    ['an address of 5 bytes', record(TO_QUESTION, A, [10, 0, 1, 5, 0])],
    ['an address of 3 bytes', record(TO_QUESTION, A, [10, 0, 1])],
    ['an address of none', record(TO_QUESTION, A, [])],
    ['more than there is', record(TO_QUESTION, A, [10, 0, 1, 5], 0xffff)],
    ['text longer than there is', record(TO_QUESTION, TXT, [3, 0x61], 0xffff)],
    ['an alias that ends early', record(TO_QUESTION, CNAME, [...target, 0, 0])],
    ['an alias that goes on', record(TO_QUESTION, CNAME, target, 2)],
    ['a target that ends early', record(TO_QUESTION, SRV, [0, 0, 0, 0, 0, 80, ...target, 0])],
    ['a target that goes on', record(TO_QUESTION, SRV, [0, 0, 0, 0, 0, 80, ...target], 8)],
    ['a service without a target', record(TO_QUESTION, SRV, [0, 0, 0, 0])],
  ])('%s', (_, lying) => {
    expect(() => read(answerOf([lying, GOOD]))).toThrow(Error)
    expect(() => read(answerOf([lying]))).toThrow(Error)
  })

  test.each<[string, Answer]>([
    ['A', a(NAME, '10.0.1.5')],
    ['AAAA', aaaa(NAME, '2600:1f18::5')],
    ['CNAME', cname(NAME, 'end.example')],
    ['SRV', srv(NAME, 'task.example', 8080)],
    ['SOA', soa('shop.local', 60, 5)],
  ])('%s, cut anywhere', (_, one) => {
    const whole = answer({ answers: [one] })
    expect(read(whole)?.answers).toHaveLength(1)
    for (let bytes = QUESTION_AT; bytes < whole.length; bytes++)
      expect(() => read(whole.subarray(0, bytes)), `${bytes} bytes`).toThrow(Error)
  })
})

describe('names that are an error', () => {
  const at = QUESTION_END
  const label = (bytes: number): number[] => [bytes, ...Array.from({ length: bytes }, () => 0x61)]
  test.each<[string, readonly number[]]>([
    ['pointing at itself', [0xc0, at]],
    ['pointing forward', [0xc0, at + 2]],
    ['pointing beyond the end', [0xff, 0xff]],
    ['pointing at a name that points back', [1, 0x61, 0xc0, at]],
    ['with a label of the reserved kinds', [0x41, 0x61, 0]],
    ['over 255 bytes', [...label(63), ...label(63), ...label(63), ...label(63), 0]],
    ['over 255 bytes by a pointer', [...label(63), ...label(63), ...label(63), ...label(48), ...TO_QUESTION]],
  ])('%s', (_, name) => {
    expect(() => read(answerOf([record(name, A, [10, 0, 1, 5])]))).toThrow(Error)
  })

  test('while one of 255 bytes is read', () => {
    const name = [...label(63), ...label(63), ...label(63), ...label(61), 0]
    expect(read(answerOf([record(name, A, [10, 0, 1, 5])]))?.answers).toHaveLength(1)
  })
})

test('names are compared in lower case and without trailing dots', () => {
  const message = answer({ answers: [cname('ORDERS.shop.LOCAL.', 'End.Example.')] })
  expect(read(message)?.answers).toMatchObject([{ name: NAME, target: 'end.example' }])
})

test('an answer that is cut, and says so, is truncated and not malformed', () => {
  const message = answer({ answers: [a(NAME, '10.0.1.5')] }).subarray(0, -3)
  message.writeUInt8(message.readUInt8(2) | 2, 2)
  expect(read(message)).toMatchObject({ truncated: true, answers: [] })
})

test('a refusal need not repeat the question; an answer has to', () => {
  const header = (rcode: number): Buffer =>
    encode({ type: 'response', id: QUESTION.id, flags: rcode, questions: [] })
  expect(read(header(1))).toMatchObject({ rcode: 'FORMERR', answers: [] })
  expect(read(header(2))).toMatchObject({ rcode: 'SERVFAIL' })
  expect(read(header(0))).toBeUndefined()
  expect(read(header(3))).toBeUndefined()
})

describe('work on one message is bounded', () => {
  test('a header that promises 65,535 records in each section is refused before they are looked for', () => {
    const message = answerOf([GOOD])
    message.fill(0xff, ANSWERS_AT, QUESTION_AT)
    expect(() => read(message)).toThrow('it has 196605 records')
  })

  test('as many records as fit into a message over TCP, and a chain of pointers through it, are refused', () => {
    // Each pointer leads to the one before: names of no bytes, and thousands of steps.
    const chain: number[] = [...TO_QUESTION]
    const chainAt = QUESTION_END + TO_QUESTION.length + 10
    for (let at = chainAt; at + 4 < 0x4000; at += 2) chain.push(0xc0 | (at >> 8), at & 0xff)
    const bytes = record(TO_QUESTION, 0xff00, chain)
    const end = chainAt + chain.length - 2
    const far = record([0xc0 | (end >> 8), end & 0xff], A, [10, 0, 1, 5])
    const many = Array.from({ length: Math.floor((65_535 - chainAt - chain.length) / far.length) }, () => far)
    expect(() => read(answerOf([bytes, ...many]))).toThrow('it has')
    expect(() => read(answerOf([bytes, ...many.slice(0, 1000)]))).toThrow('a name points in circles')
  })

  test('1,000 services with their addresses are read', () => {
    const targets = Array.from({ length: 1000 }, (_, index) => `i${index}.${NAME}`)
    const message = answer({
      answers: targets.map((target) => srv(NAME, target, 8080)),
      additionals: targets.map((target) => a(target, '10.0.1.5')),
    })
    expect(read(message)?.additionals).toHaveLength(1000)
  })
})

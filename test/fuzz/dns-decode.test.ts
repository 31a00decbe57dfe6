import { isIPv4, isIPv6 } from 'node:net'
import { encode } from 'dns-packet'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeAnswer, type DnsAnswer, type DnsRecord } from '../../src/discovery/dns/wire/message.ts'
import { CORPUS, QUESTION, WRITTEN } from './dns-corpus.ts'
import { mutant } from './dns-mutations.ts'
import { writeMessage } from './dns-writer.ts'
import { fuzz } from './fuzz.ts'

const MAX_RECORDS = 2048
const MAX_TTL = 2 ** 31 - 1

const isInteger = (value: number, min: number, max: number): boolean =>
  Number.isInteger(value) && value >= min && value <= max

function faultOf(record: DnsRecord): string | undefined {
  if (!isInteger(record.ttlSeconds, 0, MAX_TTL)) return 'TTL'
  if (record.name !== record.name.toLowerCase() || record.name.length > 255) return 'name'
  switch (record.type) {
    case 'A':
      return isIPv4(record.address) ? undefined : 'address'
    case 'AAAA':
      return isIPv6(record.address) ? undefined : 'address'
    case 'SRV': {
      const numbers = [record.port, record.priority, record.weight]
      return numbers.every((value) => isInteger(value, 0, 65_535)) ? undefined : 'port, priority or weight'
    }
    case 'SOA':
      return isInteger(record.minimumSeconds, 0, MAX_TTL) ? undefined : 'minimum'
    case 'CNAME':
    case 'NS':
      return undefined
  }
}

/** The answer, when it could be read; whatever was not sound fails the test. */
function readSoundly(bytes: Buffer, question: Parameters<typeof decodeAnswer>[1]): DnsAnswer | undefined {
  let answer: DnsAnswer | undefined
  try {
    answer = decodeAnswer(bytes, question)
  } catch (error) {
    if (!(error instanceof Error)) throw new TypeError('thrown, and no Error', { cause: error })
    return undefined
  }
  if (answer === undefined) return undefined
  const records = [...answer.answers, ...answer.authorities, ...answer.additionals]
  if (records.length > MAX_RECORDS) throw new Error(`${records.length} records`)
  // No record takes less than a root's name and ten bytes of fields.
  if (records.length > bytes.length / 11) throw new Error('more records than bytes for them')
  if (answer.truncated && records.length > 0) throw new Error('records of a truncated answer')
  for (const record of records) {
    const fault = faultOf(record)
    if (fault !== undefined) throw new Error(`${fault} in ${JSON.stringify(record)}`)
  }
  return answer
}

test('the corpus is real: dns-packet writes the same, and all of it can be read, compressed or not', () => {
  for (const written of WRITTEN) {
    const { question, rcode = 0, answers = [], authorities = [], additionals = [] } = written
    const plain = writeMessage(written, false)
    const questions = [{ name: question.name, type: question.type, class: 'IN' as const }]
    const packet = { type: 'response', id: question.id, flags: rcode, questions } as const
    expect(plain.bytes).toEqual(encode({ ...packet, answers, authorities, additionals }))
    const small = writeMessage(written, true)
    if (answers.length + authorities.length > 0) expect(small.bytes.length).toBeLessThan(plain.bytes.length)
    expect(readSoundly(small.bytes, question)).toEqual(readSoundly(plain.bytes, question))
  }
  expect(CORPUS.filter(({ bytes, question }) => readSoundly(bytes, question) === undefined)).toEqual([])
})

test('answers to the question that go on with random bytes', () => {
  const head = encode({ type: 'response', id: QUESTION.id, questions: [{ ...QUESTION, class: 'IN' }] })
  const counts = fc.uint8Array({ minLength: 6, maxLength: 6 })
  const small = fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3)).map((each) => each.flatMap((count) => [0, count]))
  fuzz(
    50_000,
    fc.property(fc.oneof(small, counts), fc.uint8Array({ maxLength: 200 }), (records, bytes) => {
      const message = Buffer.concat([head, bytes])
      message.set(records, 6)
      readSoundly(message, QUESTION)
    }),
  )
})

test('random bytes behind the id', () => {
  fuzz(
    20_000,
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      readSoundly(Buffer.from([QUESTION.id >> 8, QUESTION.id & 0xff, ...bytes]), QUESTION)
    }),
  )
})

test('real messages with mutations', () => {
  let cases = 0
  let answers = 0
  fuzz(
    200_000,
    fc.property(mutant, ({ original, bytes }) => {
      cases++
      if (readSoundly(bytes, original.question) !== undefined) answers++
    }),
  )
  // Neither is all refused before it is looked at, nor do the mutations do nothing.
  expect(answers / cases).toBeGreaterThan(0.1)
  expect(answers / cases).toBeLessThan(0.9)
})

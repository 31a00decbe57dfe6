/** Writes answers as servers send them, with names compressed, and notes where things are. */
import { encode, type Answer } from 'dns-packet'
import type { DnsQuestion } from '../../src/discovery/dns/wire/message.ts'

export interface WrittenMessage {
  readonly question: DnsQuestion
  readonly bytes: Buffer
  /** Where names begin, those within data included. */
  readonly names: readonly number[]
  /** Where the lengths of data are. */
  readonly lengths: readonly number[]
  /** Where records begin, and where the last one ends. */
  readonly records: readonly number[]
}

export interface Written {
  readonly question: DnsQuestion
  readonly rcode?: number
  readonly answers?: Answer[]
  readonly authorities?: Answer[]
  readonly additionals?: Answer[]
}

const HEADER_BYTES = 12
const LENGTH_BYTES = 2
/** Type, class and TTL: what stands between a record's name and the length of its data. */
const FIELDS_BYTES = 8
/** What a pointer can lead to (RFC 1035 section 4.1.4). */
const POINTER_END = 0x4000

/** As `dns-packet` encodes it; `compress` puts pointers in the place of names that came before. */
export function writeMessage(
  { question, rcode = 0, answers = [], authorities = [], additionals = [] }: Written,
  compress: boolean,
): WrittenMessage {
  const asked = { name: question.name, type: question.type, class: 'IN' } as const
  const header = { type: 'response', id: question.id, flags: rcode } as const
  const empty = encode({ ...header, questions: [asked] })
  const pieces = [empty]
  let size = empty.length
  const known = new Map<string, number>()
  const names = [HEADER_BYTES]
  const lengths: number[] = []
  const records: number[] = []

  const write = (bytes: Buffer): void => {
    pieces.push(bytes)
    size += bytes.length
  }
  const writeName = (name: string): void => {
    names.push(size)
    let rest = name === '.' ? '' : name
    while (rest !== '') {
      const before = compress ? known.get(rest) : undefined
      if (before !== undefined) return write(Buffer.from([0xc0 | (before >> 8), before & 0xff]))
      if (size < POINTER_END) known.set(rest, size)
      const [label = ''] = rest.split('.', 1)
      write(Buffer.from([label.length, ...Buffer.from(label)]))
      rest = rest.slice(label.length + 1)
    }
    write(Buffer.alloc(1))
  }
  const writeRecord = (record: Answer): void => {
    // The record alone, from which everything but its names is taken.
    const alone = encode({ ...header, answers: [record] })
    const dataAt = HEADER_BYTES + encodedName(record.name) + FIELDS_BYTES + LENGTH_BYTES
    records.push(size)
    writeName(record.name)
    write(alone.subarray(dataAt - LENGTH_BYTES - FIELDS_BYTES, dataAt - LENGTH_BYTES))
    const length = Buffer.alloc(LENGTH_BYTES)
    lengths.push(size)
    write(length)
    const dataStart = size
    const inData = namesInData(record)
    const namesAt = record.type === 'SRV' ? dataAt + 6 : dataAt
    write(alone.subarray(dataAt, inData.length === 0 ? alone.length : namesAt))
    for (const name of inData) writeName(name)
    if (inData.length > 0)
      write(alone.subarray(namesAt + inData.reduce((sum, name) => sum + encodedName(name), 0)))
    length.writeUInt16BE(size - dataStart)
  }

  for (let at = 0; at >= 0; at = question.name.indexOf('.', at) + 1 || -1)
    known.set(question.name.slice(at), HEADER_BYTES + at)
  for (const record of [...answers, ...authorities, ...additionals]) writeRecord(record)
  records.push(size)
  const bytes = Buffer.concat(pieces)
  for (const [index, section] of [answers, authorities, additionals].entries())
    bytes.writeUInt16BE(section.length, 6 + 2 * index)
  return { question, bytes, names, lengths, records }
}

function encodedName(name: string): number {
  return name === '.' ? 1 : name.length + 2
}

function namesInData(record: Answer): readonly string[] {
  if (record.type === 'CNAME' || record.type === 'NS') return [record.data]
  if (record.type === 'SRV') return [record.data.target]
  return record.type === 'SOA' ? [record.data.mname, record.data.rname] : []
}

/** What may happen to a message: by chance, by a broken server, or by somebody who means it. */
import fc, { type Arbitrary } from 'fast-check'
import { CORPUS } from './dns-corpus.ts'
import type { WrittenMessage } from './dns-writer.ts'

/** Places are drawn from a range larger than any message, and taken modulo what there is. */
const place: Arbitrary<number> = fc.nat(0xffff)
/** The id stays, so that what is made of a message is an answer to the question. */
const ID_BYTES = 2
const COUNTS_AT = 4

const HOSTILE_16_BITS = [0, 1, 2, 3, 4, 5, 15, 16, 17, 255, 256, 0x7fff, 0x8000, 0xc000, 0xffff]
const TYPES = [1, 2, 5, 6, 10, 12, 15, 16, 28, 33, 35, 41, 43, 44, 46, 47, 50, 52, 64, 65, 99, 255, 257]

const oneMutation = fc.oneof(
  fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat(7) }),
  fc.record({ kind: fc.constant('byte' as const), at: place, value: fc.nat(255) }),
  fc.record({ kind: fc.constant('truncate' as const), at: place }),
  fc.record({ kind: fc.constant('append' as const), bytes: fc.uint8Array({ maxLength: 40 }) }),
  // The beginning of one message, and the end of another.
  fc.record({
    kind: fc.constant('splice' as const),
    at: place,
    other: fc.constantFrom(...CORPUS),
    from: place,
  }),
  fc.record({ kind: fc.constant('duplicate' as const), from: place, to: place, counted: fc.boolean() }),
  fc.record({ kind: fc.constant('pointer' as const), name: place, to: place }),
  fc.record({ kind: fc.constant('length' as const), record: place, value: hostile16() }),
  fc.record({ kind: fc.constant('count' as const), section: fc.nat(3), value: hostile16() }),
  fc.record({ kind: fc.constant('type' as const), record: place, value: fc.constantFrom(...TYPES) }),
  fc.record({ kind: fc.constant('field' as const), record: place, at: fc.nat(5), value: hostile16() }),
)

type Mutation = typeof oneMutation extends Arbitrary<infer Kind> ? Kind : never

function hostile16(): Arbitrary<number> {
  return fc.oneof(fc.constantFrom(...HOSTILE_16_BITS), fc.nat(0xffff))
}

export interface Mutant {
  readonly original: WrittenMessage
  readonly bytes: Buffer
}

export const mutant: Arbitrary<Mutant> = fc
  .tuple(fc.constantFrom(...CORPUS), fc.array(oneMutation, { minLength: 1, maxLength: 4 }))
  .map(([original, mutations]) => ({
    original,
    bytes: mutations.reduce<Buffer>(
      (bytes, next) => mutated(bytes, original, next),
      Buffer.from(original.bytes),
    ),
  }))

/** Places in the original may be others by now, or none: what is beyond the end stays undone. */
function mutated(bytes: Buffer, { names, lengths, records }: WrittenMessage, mutation: Mutation): Buffer {
  switch (mutation.kind) {
    case 'flip': {
      const at = within(bytes, mutation.at)
      if (at < bytes.length) bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << mutation.bit), at)
      return bytes
    }
    case 'byte': {
      const at = within(bytes, mutation.at)
      if (at < bytes.length) bytes.writeUInt8(mutation.value, at)
      return bytes
    }
    case 'truncate':
      return bytes.subarray(0, within(bytes, mutation.at))
    case 'append':
      return Buffer.concat([bytes, mutation.bytes])
    case 'splice': {
      const { other } = mutation
      return Buffer.concat([
        bytes.subarray(0, within(bytes, mutation.at)),
        other.bytes.subarray(mutation.from % other.bytes.length),
      ])
    }
    case 'duplicate': {
      const [from = 0, to = 0] = [chosen(records, mutation.from), chosen(records, mutation.to)].toSorted(
        (one, other) => one - other,
      )
      const count = records.filter((at) => at >= from && at < to).length
      if (mutation.counted) write16(bytes, COUNTS_AT + 2, count + read16(bytes, COUNTS_AT + 2))
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)])
    }
    case 'pointer':
      return write16(bytes, chosen(names, mutation.name), 0xc000 | (mutation.to % (bytes.length + 2)))
    case 'length':
      return write16(bytes, chosen(lengths, mutation.record), mutation.value)
    case 'count':
      return write16(bytes, COUNTS_AT + 2 * mutation.section, mutation.value)
    case 'type':
      return write16(bytes, chosen(lengths, mutation.record) - 8, mutation.value)
    // Class, TTL (two halves), and what data begin with: an SRV record's priority, weight and port.
    case 'field': {
      const offset = [-6, -4, -2, 2, 4, 6][mutation.at] ?? 2
      return write16(bytes, chosen(lengths, mutation.record) + offset, mutation.value)
    }
  }
}

function within(bytes: Buffer, at: number): number {
  return ID_BYTES + (at % Math.max(1, bytes.length - ID_BYTES))
}

function chosen(places: readonly number[], at: number): number {
  return places[at % Math.max(1, places.length)] ?? 0
}

function read16(bytes: Buffer, at: number): number {
  return at + 2 <= bytes.length ? bytes.readUInt16BE(at) : 0
}

function write16(bytes: Buffer, at: number, value: number): Buffer {
  if (at >= ID_BYTES && at + 2 <= bytes.length) bytes.writeUInt16BE(value & 0xffff, at)
  return bytes
}

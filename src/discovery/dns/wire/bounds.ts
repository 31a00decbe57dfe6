/**
 * What `dns-packet` takes on trust: counts, lengths, and how often a name jumps. Looked at before it reads a
 * message, so that one message costs a bounded amount of work, whatever it says (RFC 9267 describes what happened to
 * those who did not look).
 */

export const HEADER_BYTES = 12

/** Cloud Map's 1,000 instances as SRV records with an address each, and some. */
const MAX_RECORDS = 2048
/** RFC 1035 section 3.1, without the root's byte. */
const MAX_NAME_BYTES = 254
/** As many as a name can have labels: each of them may be followed by a pointer. */
const MAX_POINTERS = 127

const POINTER = 0xc0
const POINTER_BYTES = 2
const COUNTS_AT = 4
/** Type and class of a question. */
const QUESTION_BYTES = 4
/** Type, class, TTL and length of a record. */
const RECORD_BYTES = 10

const CLASS_IN = 1
const TYPE = { A: 1, NS: 2, CNAME: 5, SOA: 6, NULL: 10, AAAA: 28, SRV: 33, OPT: 41 }

export interface FramedMessage {
  /** A copy in which records of types and classes that discovery does not read are NULL: bytes, and no more. */
  readonly message: Buffer
  /** The upper eight bits of the RCODE, from the OPT record (RFC 6891 section 6.1.3). */
  readonly extendedRcode: number
}

/**
 * @param withRecords false: the question alone, e.g. of an answer that was cut anywhere
 * @throws Error when the message is cut short, or a record is not as long as it says
 */
export function frame(original: Buffer, withRecords: boolean): FramedMessage {
  const message = Buffer.from(original)
  if (!withRecords) message.fill(0, COUNTS_AT + 2, HEADER_BYTES)
  const [questions, ...sections] = [0, 2, 4, 6].map((at) => message.readUInt16BE(COUNTS_AT + at))
  const records = sections.reduce((sum, count) => sum + count, 0)
  if (questions !== 1) throw new Error('it repeats no question')
  if (records > MAX_RECORDS) throw new Error(`it has ${records} records`)
  let at = endOfName(message, HEADER_BYTES) + QUESTION_BYTES
  let extendedRcode = 0
  for (let record = 0; record < records; record++) {
    const fields = endOfName(message, at)
    const data = fields + RECORD_BYTES
    need(message, data)
    const type = message.readUInt16BE(fields)
    at = data + message.readUInt16BE(data - 2)
    need(message, at)
    if (type === TYPE.OPT) extendedRcode = message.readUInt8(fields + 4)
    const end = message.readUInt16BE(fields + 2) === CLASS_IN ? endOfData(message, type, data) : undefined
    if (end === undefined) message.writeUInt16BE(TYPE.NULL, fields)
    else if (end !== at) throw new Error(`a record of ${end - data} bytes says that it has ${at - data}`)
  }
  need(message, at)
  return { message, extendedRcode }
}

/** Where the data of a type that discovery reads ends; undefined for others. */
function endOfData(message: Buffer, type: number, at: number): number | undefined {
  switch (type) {
    case TYPE.A:
      return at + 4
    case TYPE.AAAA:
      return at + 16
    case TYPE.NS:
    case TYPE.CNAME:
      return endOfName(message, at)
    case TYPE.SRV:
      return endOfName(message, at + 6)
    case TYPE.SOA:
      return endOfName(message, endOfName(message, at)) + 20
    default:
      return undefined
  }
}

/** Where a name ends in its own place, having gone wherever it points to. */
function endOfName(message: Buffer, start: number): number {
  let at = start
  let end: number | undefined
  let bytes = 0
  for (let pointers = 0; pointers <= MAX_POINTERS;) {
    need(message, at + 1)
    const length = message.readUInt8(at)
    if (length === 0) return end ?? at + 1
    if (length >= POINTER) {
      need(message, at + POINTER_BYTES)
      end ??= at + POINTER_BYTES
      at = message.readUInt16BE(at) & 0x3fff
      pointers++
    } else {
      // What is between a label and a pointer (RFC 6891 section 5 took 01 back) falls to `dns-packet`.
      at += 1 + length
      bytes += 1 + length
      if (bytes > MAX_NAME_BYTES) throw new Error('a name is too long')
    }
  }
  throw new Error('a name points in circles')
}

function need(message: Buffer, bytes: number): void {
  if (bytes > message.length) throw new Error('the message is cut short')
}

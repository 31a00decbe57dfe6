/**
 * DNS messages as this library sees them: a query going out, and of what comes back only the records that
 * discovery reads. `dns-packet` does the wire format; what it takes on trust is checked here.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { decode, encode, RECURSION_DESIRED, type Answer, type DecodedPacket } from 'dns-packet'
import { canonicalHost } from './service-name.ts'

export type DnsType = 'A' | 'AAAA' | 'SRV'

export interface DnsQuestion {
  readonly id: number
  /** Canonical: lower case, no trailing dot. */
  readonly name: string
  readonly type: DnsType
}

/** Names are canonical, TTLs in seconds as the server gave them. */
export type DnsRecord =
  | {
      readonly type: 'A' | 'AAAA'
      readonly name: string
      readonly ttlSeconds: number
      readonly address: string
    }
  | {
      readonly type: 'CNAME'
      readonly name: string
      readonly ttlSeconds: number
      readonly target: string
    }
  | {
      readonly type: 'SRV'
      readonly name: string
      readonly ttlSeconds: number
      readonly target: string
      readonly port: number
      readonly priority: number
      readonly weight: number
    }
  | {
      readonly type: 'SOA'
      readonly name: string
      readonly ttlSeconds: number
      readonly minimumSeconds: number
    }
  /** Points to other servers: seen where a server does not resolve, but refers. */
  | { readonly type: 'NS'; readonly name: string; readonly ttlSeconds: number }

export interface DnsAnswer {
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, … */
  readonly rcode: string
  readonly truncated: boolean
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
}

/** What we can take in one datagram without fragments (DNS Flag Day 2020). */
const EDNS_PAYLOAD_BYTES = 1232
const HEADER_BYTES = 12
const RESPONSE_BIT = 0x80
const LONGEST_NAME_BYTES = 253
const LONGEST_LABEL_BYTES = 63
const LONGEST_TTL_SECONDS = 2 ** 31 - 1

// RFC 1035 section 4.1.1.
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED']

/** Whether a name can stand in a message at all (RFC 1035 section 2.3.4); `dns-packet` does not look. */
export function isDnsName(name: string): boolean {
  return (
    Buffer.byteLength(name) <= LONGEST_NAME_BYTES &&
    name.split('.').every((label) => label !== '' && Buffer.byteLength(label) <= LONGEST_LABEL_BYTES)
  )
}

export function encodeQuery({ id, name, type }: DnsQuestion): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type, name, class: 'IN' }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: EDNS_PAYLOAD_BYTES,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: 0,
        flag_do: false,
        options: [],
      },
    ],
  })
}

/**
 * Reads the answer to a question.
 * @returns undefined for what is no answer to it: another id, another question, a query
 * @throws Error when it bears the question's id and cannot be read
 */
export function decodeAnswer(message: Buffer, question: DnsQuestion): DnsAnswer | undefined {
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== question.id) return undefined
  if ((message.readUInt8(2) & RESPONSE_BIT) === 0) return undefined
  const packet = decode(message)
  // Reading beyond the end gives zeros for addresses, and no error.
  if (decode.bytes > message.length) throw new Error('the message is cut short')
  if (!answersQuestion(packet, question)) return undefined
  const code = (packet.flags ?? 0) & 0xf
  return {
    rcode: RCODES[code] ?? `RCODE ${code}`,
    truncated: packet.flag_tc,
    answers: readRecords(packet.answers),
    authorities: readRecords(packet.authorities),
    additionals: readRecords(packet.additionals),
  }
}

function answersQuestion(packet: DecodedPacket, question: DnsQuestion): boolean {
  const [asked, ...more] = packet.questions ?? []
  return (
    asked !== undefined &&
    more.length === 0 &&
    asked.type === question.type &&
    asked.class === 'IN' &&
    canonicalHost(asked.name) === question.name
  )
}

function readRecords(records: readonly Answer[] = []): readonly DnsRecord[] {
  const read: DnsRecord[] = []
  for (const record of records) {
    if (record.type === 'OPT' || record.class !== 'IN') continue
    const known = readRecord(record)
    if (known !== undefined) read.push(known)
  }
  return read
}

function readRecord(record: Exclude<Answer, { type: 'OPT' }>): DnsRecord | undefined {
  const name = canonicalHost(record.name)
  const ttlSeconds = readTtl(record.ttl)
  if (record.type === 'A' || record.type === 'AAAA') {
    const valid = record.type === 'A' ? isIPv4(record.data) : isIPv6(record.data)
    if (!valid) throw new Error(`${record.type} record of ${name} holds no address`)
    return { type: record.type, name, ttlSeconds, address: record.data }
  }
  if (record.type === 'SRV') {
    const { port, priority = 0, weight = 0 } = record.data
    // The root as a target says "no such service" (RFC 2782): an empty name after this.
    return {
      type: 'SRV',
      name,
      ttlSeconds,
      target: canonicalHost(record.data.target),
      port,
      priority,
      weight,
    }
  }
  if (record.type === 'CNAME') return { type: 'CNAME', name, ttlSeconds, target: canonicalHost(record.data) }
  if (record.type === 'SOA')
    return { type: 'SOA', name, ttlSeconds, minimumSeconds: readTtl(record.data.minimum) }
  return record.type === 'NS' ? { type: 'NS', name, ttlSeconds } : undefined
}

/** A TTL with the top bit set means 0 (RFC 2181 section 8). */
function readTtl(seconds = 0): number {
  return seconds > LONGEST_TTL_SECONDS ? 0 : seconds
}

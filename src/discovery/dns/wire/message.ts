/**
 * DNS messages as this library sees them: a query going out, and of what comes back only the records that
 * discovery reads. `dns-packet` does the wire format; what it takes on trust is checked here.
 */
import { isIPv4, isIPv6 } from 'node:net'
import { decode, encode, RECURSION_DESIRED, TRUNCATED_RESPONSE } from 'dns-packet'
import type { Answer, DecodedPacket } from 'dns-packet'
import { frame, HEADER_BYTES } from './bounds.ts'
import { canonicalHost } from '../../service-name.ts'

export type DnsType = 'A' | 'AAAA' | 'SRV'

export interface DnsQuery {
  /** Canonical: lower case, no trailing dot. */
  readonly name: string
  readonly type: DnsType
}

export interface DnsQuestion extends DnsQuery {
  readonly id: number
}

/** Names are canonical, TTLs in seconds as the server gave them. */
export type DnsRecord = { readonly name: string; readonly ttlSeconds: number } & (
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'CNAME'; readonly target: string }
  | {
      readonly type: 'SRV'
      readonly target: string
      readonly port: number
      readonly priority: number
      readonly weight: number
    }
  | { readonly type: 'SOA'; readonly minimumSeconds: number }
  /** Points to other servers: seen where a server does not resolve, but refers. */
  | { readonly type: 'NS' }
)

export interface DnsAnswer {
  /** `NOERROR`, `NXDOMAIN`, `SERVFAIL`, … */
  readonly rcode: string
  readonly truncated: boolean
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  readonly additionals: readonly DnsRecord[]
}

const RESPONSE_BIT = 0x8000
const OPCODE_BITS = 0x7800
const RCODE_BITS = 0xf
const MAX_TTL_SECONDS = 2 ** 31 - 1

// RFC 1035 section 4.1.1, RFC 6891 section 9.
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED']
const BADVERS = 16

/** @param ednsBytes what we take in one datagram (RFC 6891); undefined: without EDNS, for servers that do not know it */
export function encodeQuery({ id, name, type }: DnsQuestion, ednsBytes?: number): Buffer {
  return encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type, name, class: 'IN' }],
    additionals: ednsBytes === undefined ? [] : [optRecord(ednsBytes)],
  })
}

function optRecord(udpPayloadSize: number): Answer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  }
}

/**
 * Reads the answer to a question.
 * @param maxBytes a longer one counts as truncated, and its records are not read
 * @returns undefined if it is not an answer to it: another id, another question, a query
 * @throws Error when it bears the question's id and cannot be read
 */
export function decodeAnswer(
  message: Buffer,
  question: DnsQuestion,
  maxBytes: number = Number.POSITIVE_INFINITY,
): DnsAnswer | undefined {
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== question.id) return undefined
  const flags = message.readUInt16BE(2)
  if ((flags & (RESPONSE_BIT | OPCODE_BITS)) !== RESPONSE_BIT) return undefined
  const questions = message.readUInt16BE(4)
  if (questions === 0 && isRefusal(flags & RCODE_BITS)) return withoutRecords(flags & RCODE_BITS, false)
  if (questions !== 1) return undefined
  // A truncated one may be cut anywhere, and what came of it is of no use (RFC 2181 section 9).
  const truncated = (flags & TRUNCATED_RESPONSE) !== 0 || message.length > maxBytes
  const framed = frame(message, !truncated)
  const packet = decode(framed.message)
  if (!answersQuestion(packet, question)) return undefined
  const code = (framed.extendedRcode << 4) | (flags & RCODE_BITS)
  if (truncated) return withoutRecords(code, true)
  return {
    rcode: rcodeName(code),
    truncated,
    answers: readRecords(packet.answers),
    authorities: readRecords(packet.authorities),
    additionals: readRecords(packet.additionals),
  }
}

/** A server that cannot or will not read a query need not repeat its question. */
function isRefusal(code: number): boolean {
  return code !== RCODES.indexOf('NOERROR') && code !== RCODES.indexOf('NXDOMAIN')
}

function withoutRecords(code: number, truncated: boolean): DnsAnswer {
  return { rcode: rcodeName(code), truncated, answers: [], authorities: [], additionals: [] }
}

function rcodeName(code: number): string {
  return code === BADVERS ? 'BADVERS' : (RCODES[code] ?? `RCODE ${code}`)
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
  return records.flatMap((record) => (record.type === 'OPT' ? [] : (readRecord(record) ?? [])))
}

function readRecord(record: Exclude<Answer, { type: 'OPT' }>): DnsRecord | undefined {
  const common = { name: canonicalHost(record.name), ttlSeconds: readTtl(record.ttl) }
  if (record.type === 'A' || record.type === 'AAAA') {
    if (!(record.type === 'A' ? isIPv4 : isIPv6)(record.data))
      throw new Error(`${record.type} record of ${common.name} holds no address`)
    return { ...common, type: record.type, address: record.data }
  }
  if (record.type === 'SRV') {
    const { port, priority = 0, weight = 0 } = record.data
    // The root as a target is an empty name after this.
    const target = canonicalHost(record.data.target)
    return { ...common, type: 'SRV', target, port, priority, weight }
  }
  if (record.type === 'CNAME') return { ...common, type: 'CNAME', target: canonicalHost(record.data) }
  if (record.type === 'SOA') return { ...common, type: 'SOA', minimumSeconds: readTtl(record.data.minimum) }
  return record.type === 'NS' ? { ...common, type: 'NS' } : undefined
}

/** A TTL with the top bit set means 0 (RFC 2181 section 8). */
function readTtl(seconds = 0): number {
  return seconds > MAX_TTL_SECONDS ? 0 : seconds
}

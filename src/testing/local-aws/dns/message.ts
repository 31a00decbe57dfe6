/** DNS messages: questions in, answers out. `dns-packet` does the wire format, without name compression. */
import { AUTHORITATIVE_ANSWER, decode, encode, RECURSION_DESIRED, TRUNCATED_RESPONSE } from 'dns-packet'
import type { Answer, Packet, RecordType } from 'dns-packet'
import { canonicalHost, isDnsName } from '../../../discovery/service-name.ts'
import { NO_RECORDS, type Lookup, type ResourceRecord } from './resource-record.ts'

export interface DnsQuery {
  readonly kind: 'query'
  readonly id: number
  /** In the case in which it was asked. */
  readonly name: string
  /** `A`, `SRV`, …; `UNKNOWN_65` for a type without a name here. */
  readonly type: string
  readonly class: string
  readonly recursionDesired: boolean
  /** What the asker takes in one datagram (EDNS0); undefined: it knows no EDNS. */
  readonly udpBytes: number | undefined
}

/** `ignored`: no query, or too short to be answered. */
export type DnsMessage =
  | DnsQuery
  | { readonly kind: 'bad'; readonly id: number; readonly rcode: 'FORMERR' | 'NOTIMP' }
  | { readonly kind: 'ignored' }

export interface DnsReply extends Omit<Lookup, 'rcode'> {
  readonly rcode: Rcode
  readonly truncated?: boolean
}

const HEADER_BYTES = 12
const RESPONSE_BIT = 0x80
// RFC 1035 section 4.2.1: without EDNS a datagram holds that much.
const PLAIN_UDP_BYTES = 512
// As Route 53's resolver has it.
const OUR_UDP_BYTES = 4096

/** EDNS (RFC 6891), in answers to those that know it. */
const OPT: Answer = {
  ...{ type: 'OPT', name: '.', udpPayloadSize: OUR_UDP_BYTES, extendedRcode: 0, ednsVersion: 0 },
  ...{ flags: 0, flag_do: false, options: [] },
}

// RFC 1035 section 4.1.1.
const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const
type Rcode = keyof typeof RCODES

export function parseMessage(message: Buffer): DnsMessage {
  if (message.length < HEADER_BYTES) return { kind: 'ignored' }
  const id = message.readUInt16BE(0)
  const flags = message.readUInt8(2)
  if ((flags & RESPONSE_BIT) !== 0) return { kind: 'ignored' }
  if (((flags >> 3) & 0xf) !== 0) return { kind: 'bad', id, rcode: 'NOTIMP' }
  try {
    const { questions = [], additionals = [], flag_rd: recursionDesired } = decode(message)
    const [question] = questions
    if (question === undefined || questions.length > 1) return { kind: 'bad', id, rcode: 'FORMERR' }
    const opt = additionals.find((record) => record.type === 'OPT')
    return {
      kind: 'query',
      id,
      name: question.name,
      type: question.type,
      class: question.class ?? 'IN',
      recursionDesired,
      udpBytes: opt?.type === 'OPT' ? opt.udpPayloadSize : undefined,
    }
  } catch {
    return { kind: 'bad', id, rcode: 'FORMERR' }
  }
}

/** An answer without a question, to one that could not be read. */
export function encodeRefusal(id: number, rcode: Rcode): Buffer {
  return encode({ type: 'response', id, flags: RCODES[rcode] })
}

/**
 * On UDP, additional records that do not fit are left out; if the answer does not fit either, it is left out
 * and the truncation bit set (RFC 2181 section 9).
 * @throws RangeError for a name that DNS cannot carry
 */
export function encodeReply(query: DnsQuery, reply: DnsReply, transport: 'udp' | 'tcp'): Buffer {
  if (transport === 'tcp') return encode(packetOf(query, reply))
  const bytes = Math.min(OUR_UDP_BYTES, Math.max(PLAIN_UDP_BYTES, query.udpBytes ?? 0))
  let fitting = reply
  for (;;) {
    const message = encode(packetOf(query, fitting))
    if (message.length <= bytes || fitting.truncated === true) return message
    fitting =
      fitting.additionals.length > 0
        ? { ...fitting, additionals: fitting.additionals.slice(0, -1) }
        : { ...reply, truncated: true }
  }
}

function packetOf(query: DnsQuery, reply: DnsReply): Packet {
  const { truncated = false, rcode } = reply
  const { answers, authorities, additionals } = truncated ? NO_RECORDS : reply
  for (const record of [...answers, ...authorities, ...additionals]) checkNames(record)
  const ours = rcode === 'NOERROR' || rcode === 'NXDOMAIN'
  return {
    type: 'response',
    id: query.id,
    flags:
      RCODES[rcode] |
      (ours ? AUTHORITATIVE_ANSWER : 0) |
      (truncated ? TRUNCATED_RESPONSE : 0) |
      (query.recursionDesired ? RECURSION_DESIRED : 0),
    questions: [{ name: query.name, type: query.type as RecordType, class: 'IN' }],
    answers: [...answers],
    authorities: [...authorities],
    additionals: query.udpBytes === undefined ? [...additionals] : [...additionals, OPT],
  }
}

/** `dns-packet` would write a label of more than 63 bytes as something else. */
function checkNames({ name, type, data }: ResourceRecord): void {
  const target = type === 'SRV' ? data.target : type === 'CNAME' || type === 'NS' ? data : name
  for (const one of [name, target])
    if (!isDnsName(canonicalHost(one))) throw new RangeError(`no name for DNS: ${one}`)
}

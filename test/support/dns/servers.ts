/** Small DNS servers on loopback that behave as a test says, odd behaviours included. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Socket as TcpSocket } from 'node:net'
import {
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  type Answer,
  type DecodedPacket,
  type OptAnswer,
} from 'dns-packet'
import { onTestFinished } from 'vitest'
import type { DnsServer } from '../../../src/discovery/dns/wire/transport.ts'
import { LoopbackServer } from '../loopback-server.ts'

export type Query = DecodedPacket & { readonly id: number }

export interface UdpServer {
  /** `127.0.0.1:port` */
  readonly server: string
  readonly port: number
  /** Queries seen so far, `orders.shop.local A`, in order. */
  readonly asked: string[]
  /** Source ports they came from, and their ids. */
  readonly sources: number[]
  readonly ids: number[]
  readonly queries: Query[]
}

export type Reply = (message: Buffer) => void

/** A server that hands each query to `onQuery`; what it replies goes back as it is. */
export async function udpServer(onQuery: (query: Query, reply: Reply) => void): Promise<UdpServer> {
  const socket = await bound()
  onTestFinished(() => closeSocket(socket))
  const { port } = socket.address()
  const seen: UdpServer = { server: `127.0.0.1:${port}`, port, asked: [], sources: [], ids: [], queries: [] }
  socket.on('message', (message, from) => {
    const query = decode(message) as Query
    const [question] = query.questions ?? []
    seen.asked.push(`${question?.name} ${question?.type}`)
    seen.sources.push(from.port)
    seen.ids.push(query.id)
    seen.queries.push(query)
    onQuery(query, (reply) => socket.send(reply, from.port, from.address))
  })
  return seen
}

// Below the ports that kernels lend to outgoing connections (Linux: from 32768): a test that wants the same port
// over TCP must not find a connection of another test there.
const FIRST_PORT = 10_000
const PORTS = 10_000

function anyPort(): number {
  return FIRST_PORT + Math.floor(Math.random() * PORTS)
}

/**
 * Where a server of a test is away and comes back: nothing is there until then. No other test serves on this address, and no
 * kernel lends the port to a socket.
 */
export function vacantPlace(): DnsServer {
  return { address: '127.0.1.53', port: anyPort() }
}

async function bound(): Promise<Socket> {
  for (;;) {
    const socket = createSocket('udp4')
    const free = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false))
      socket.bind(anyPort(), '127.0.0.1', () => resolve(true))
    })
    if (free) return socket
    socket.close()
  }
}

/** A socket of a test that is bound there. */
export async function boundTo({ address, port }: DnsServer): Promise<Socket> {
  const socket = createSocket('udp4').bind(port, address)
  await once(socket, 'listening')
  return socket
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()))
}

/** A TCP server on a given port; `onQuery` gets each query and the connection to write to. */
export async function tcpServer(
  port: number,
  onQuery: (query: Query, socket: TcpSocket) => void,
  address = '127.0.0.1',
): Promise<{ connections: number }> {
  const seen = { connections: 0 }
  const tcp = createServer((socket) => {
    seen.connections++
    let received = Buffer.alloc(0)
    socket.on('data', (piece) => {
      received = Buffer.concat([received, piece])
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
        onQuery(decode(received.subarray(2)) as Query, socket)
    })
  })
  const server = await new LoopbackServer(tcp).listen(address, port)
  onTestFinished(() => server.kill())
  return seen
}

export interface Sections {
  readonly rcode?: number
  readonly truncated?: boolean
  readonly answers?: Answer[]
  readonly authorities?: Answer[]
  readonly additionals?: Answer[]
  readonly id?: number
  readonly questions?: Query['questions']
  readonly type?: 'query' | 'response'
}

const TRUNCATED_BIT = 1 << 9

export function response(query: Query, sections: Sections = {}): Buffer {
  const { rcode = 0, truncated = false, answers = [], authorities = [], additionals = [] } = sections
  return encode({
    type: sections.type ?? 'response',
    id: sections.id ?? query.id,
    flags: AUTHORITATIVE_ANSWER | (truncated ? TRUNCATED_BIT : 0) | rcode,
    questions: sections.questions ?? query.questions,
    answers,
    authorities,
    additionals,
  })
}

export function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

export const FORMERR = 1
export const SERVFAIL = 2
export const NXDOMAIN = 3
export const NOTIMP = 4
export const REFUSED = 5

export function a(name: string, address: string, ttl = 30): Answer {
  return { type: 'A', name, ttl, data: address }
}

export function aaaa(name: string, address: string, ttl = 30): Answer {
  return { type: 'AAAA', name, ttl, data: address }
}

export function cname(name: string, target: string, ttl = 30): Answer {
  return { type: 'CNAME', name, ttl, data: target }
}

export function srv(
  name: string,
  target: string,
  port: number,
  more: { ttl?: number; priority?: number; weight?: number } = {},
): Answer {
  const { ttl = 30, priority = 1, weight = 1 } = more
  return { type: 'SRV', name, ttl, data: { target, port, priority, weight } }
}

export function soa(zone: string, ttl: number, minimum: number): Answer {
  const data = {
    mname: `ns.${zone}`,
    rname: `admin.${zone}`,
    serial: 1,
    refresh: 1,
    retry: 1,
    expire: 1,
    minimum,
  }
  return { type: 'SOA', name: zone, ttl, data }
}

/** EDNS (RFC 6891) with these options. */
export function opt(options: readonly { readonly code: number; readonly data: Buffer }[] = []): OptAnswer {
  const header = { type: 'OPT', name: '.', udpPayloadSize: 4096, extendedRcode: 0, ednsVersion: 0, flags: 0 }
  return { ...header, flag_do: false, options } as unknown as OptAnswer
}

export type Zone = Readonly<Record<string, Sections>>

/** Answers by `name TYPE`; NODATA for other types of a known name, NXDOMAIN for unknown ones; no SOA. */
export function zoneServer(zone: Zone): Promise<UdpServer> {
  return udpServer((query, reply) => {
    const [question] = query.questions ?? []
    const name = question?.name.toLowerCase() ?? ''
    const known = Object.keys(zone).some((key) => key.startsWith(`${name} `))
    reply(response(query, zone[`${name} ${question?.type}`] ?? { rcode: known ? 0 : NXDOMAIN }))
  })
}

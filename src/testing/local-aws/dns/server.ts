import type { Clock } from '../../../core/clock.ts'
import { canonicalHost } from '../../../discovery/service-name.ts'
import { dnsFaults, type DnsFaults } from './faults.ts'
import { encodeRefusal, encodeReply, parseMessage, type DnsQuery, type DnsReply } from './message.ts'
import { NO_RECORDS } from './resource-record.ts'
import { DnsSockets, type Reply, type Transport } from './sockets.ts'
import { Delays } from '../delays.ts'
import { LOOPBACK } from '../loopback-http.ts'
import { Zones } from './zones.ts'
import type { Registry } from '../registry.ts'
import type { LocalDns, QueryFilter } from '../local-aws.ts'

interface Tally {
  readonly name: string
  readonly type: string
  readonly transport: Transport
  count: number
}

/** Authoritative for `zones`, over UDP and TCP. It does not cache, so TTLs do not fall. */
export class DnsServer implements LocalDns {
  readonly zones: Zones
  readonly faults: DnsFaults = dnsFaults()
  readonly #tallies = new Map<string, Tally>()
  readonly #delays: Delays
  readonly #sockets = new DnsSockets((message, transport, reply) => this.#serve(message, transport, reply))

  constructor(registry: Registry, clock: Clock) {
    this.zones = new Zones(registry, this.faults)
    this.#delays = new Delays(clock)
  }

  get server(): string {
    return `${LOOPBACK}:${this.#sockets.port}`
  }

  get queries(): number {
    return this.countQueries()
  }

  countQueries(filter: QueryFilter = {}): number {
    const name = filter.name === undefined ? undefined : canonicalHost(filter.name)
    let count = 0
    for (const tally of this.#tallies.values()) {
      if (name !== undefined && tally.name !== name) continue
      if (filter.type !== undefined && tally.type !== filter.type) continue
      if (filter.transport !== undefined && tally.transport !== filter.transport) continue
      count += tally.count
    }
    return count
  }

  listen(): Promise<void> {
    return this.#sockets.listen()
  }

  async close(): Promise<void> {
    this.#delays.close()
    await this.#sockets.close()
  }

  #serve(message: Buffer, transport: Transport, reply: Reply): void {
    const query = parseMessage(message)
    if (query.kind === 'ignored') return
    if (query.kind === 'bad') return reply(encodeRefusal(query.id, query.rcode))
    this.#count(query, transport)
    const faulty = this.#isFaulty(query, transport)
    const { delayMs } = this.faults
    const answer = faulty ? this.faults.answer : 'normal'
    const respond = (): void => {
      const bytes = this.#respond(query, transport, answer)
      if (bytes === undefined) return
      reply(bytes, answer === 'wrong-port' ? 'another-port' : 'here')
      if (answer === 'twice') reply(bytes)
    }
    if (faulty && delayMs > 0) this.#delays.after(delayMs, respond)
    else respond()
  }

  #respond(query: DnsQuery, transport: Transport, fault: DnsFaults['answer']): Buffer | undefined {
    const refusal = (rcode: 'SERVFAIL' | 'REFUSED'): Buffer =>
      encodeReply(query, { ...NO_RECORDS, rcode }, transport)
    try {
      switch (fault) {
        case 'drop':
          return undefined
        case 'servfail':
          return refusal('SERVFAIL')
        case 'refused':
          return refusal('REFUSED')
        case 'garbage':
          return garbage(query)
        case 'wrong-id':
          return encodeReply({ ...query, id: (query.id + 1) % 2 ** 16 }, this.#answer(query), transport)
        case 'truncate':
          return encodeReply(query, { ...this.#answer(query), truncated: transport === 'udp' }, transport)
        case 'twice':
        case 'wrong-port':
        case 'normal':
          return encodeReply(query, this.#answer(query), transport)
      }
    } catch {
      // What was registered need not fit into a message, such as a CNAME of 1,000 characters.
      return refusal('SERVFAIL')
    }
  }

  #answer(query: DnsQuery): DnsReply {
    if (query.class !== 'IN') return { ...NO_RECORDS, rcode: 'REFUSED' }
    return this.zones.lookup(query.name, query.type)
  }

  #isFaulty(query: DnsQuery, transport: Transport): boolean {
    const { only, transport: faulty } = this.faults
    if (faulty !== 'both' && faulty !== transport) return false
    return only === undefined || only.some((name) => canonicalHost(name) === canonicalHost(query.name))
  }

  #count({ name, type }: DnsQuery, transport: Transport): void {
    const key = `${transport} ${type} ${canonicalHost(name)}`
    const tally = this.#tallies.get(key)
    if (tally === undefined) this.#tallies.set(key, { name: canonicalHost(name), type, transport, count: 1 })
    else tally.count++
  }
}

/** A header that promises more than a thousand records, and then label bytes that RFC 1035 does not know. */
function garbage(query: DnsQuery): Buffer {
  const bytes = Buffer.alloc(64, 0xbf)
  bytes.writeUInt16BE(query.id, 0)
  bytes.writeUInt16BE(0x8180, 2)
  bytes.writeUInt16BE(1, 4)
  bytes.writeUInt16BE(1024, 6)
  return bytes
}

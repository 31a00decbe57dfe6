/**
 * One DNS question to the first server that can answer it.
 *
 * Node's own resolver tells no TTL for SRV, no SOA for negative answers, and sends no EDNS; hence this.
 */
import { getServers } from 'node:dns'
import { unguessableInt, type Clock } from '../core/clock.ts'
import { ResolutionFailedError, reasonOf } from '../core/errors.ts'
import { formatAddressPort, parseAddressPort } from '../core/address-port.ts'
import {
  decodeAnswer,
  encodeQuery,
  isDnsName,
  type DnsAnswer,
  type DnsQuestion,
  type DnsType,
} from './dns-message.ts'
import { inTime } from './in-time.ts'
import { exchangeTcp, exchangeUdp, type DnsServer } from './dns-transport.ts'

export interface DnsQueryOptions {
  /** Asked in this order. Empty: those of the machine (`dns.getServers()`). */
  readonly servers: readonly DnsServer[]
  /** For each try of each server. */
  readonly timeoutMs: number
  /** How often a silent server is asked. */
  readonly rounds: number
  readonly clock: Clock
  readonly signal: AbortSignal
}

const DNS_PORT = 53

/** `10.0.0.2`, `127.0.0.1:5353`, `::1`, `[::1]:53`; undefined for anything else, host names included. */
export function parseDnsServer(text: string): DnsServer | undefined {
  const parsed = parseAddressPort(text)
  return parsed === undefined ? undefined : { address: parsed.address, port: parsed.port ?? DNS_PORT }
}

/**
 * Asks the servers in their order until one answers `NOERROR` or `NXDOMAIN`. A server that says anything else,
 * or nothing readable, is not asked again, since it would say the same; one that is silent is, once a round.
 *
 * @returns the answer, never a truncated one: those are asked for again over TCP
 * @throws ResolutionFailedError that tells what each server did; the signal's reason as soon as it aborts
 */
export async function query(name: string, type: DnsType, options: DnsQueryOptions): Promise<DnsAnswer> {
  if (!isDnsName(name)) throw new ResolutionFailedError(name, 'is no name that DNS could know')
  const servers = options.servers.length > 0 ? options.servers : systemServers()
  const failures = new Map<DnsServer, unknown>()
  const out = new Set<DnsServer>()
  for (let round = 0; round < options.rounds; round++) {
    for (const server of servers) {
      if (out.has(server)) continue
      try {
        return await ask(server, name, type, options)
      } catch (error) {
        options.signal.throwIfAborted()
        failures.set(server, error)
        if (!(error instanceof SilentError)) out.add(server)
      }
    }
  }
  const told = [...failures].map(
    ([server, error]) => `${formatAddressPort(server.address, server.port)} ${reasonOf(error)}`,
  )
  const why = told.length > 0 ? told.join('; ') : 'there is no DNS server'
  throw new ResolutionFailedError(name, `${type} query failed: ${why}`, [...failures.values()].at(-1))
}

/** Nothing that answers the question came in time. */
class SilentError extends Error {}

async function ask(
  server: DnsServer,
  name: string,
  type: DnsType,
  options: DnsQueryOptions,
): Promise<DnsAnswer> {
  const question: DnsQuestion = { id: unguessableInt(2 ** 16), name, type }
  const message = encodeQuery(question)
  const read = (bytes: Buffer): DnsAnswer | undefined => readAnswer(bytes, question)
  const { timeoutMs } = options
  const limit = {
    ...options,
    limitMs: timeoutMs,
    late: () => new SilentError(`gave no answer in ${timeoutMs} ms`),
  }
  let answer = await inTime(limit, (signal) => exchangeUdp(server, message, read, signal))
  if (answer.truncated) answer = await inTime(limit, (signal) => exchangeTcp(server, message, read, signal))
  if (answer.truncated) throw new Error('sent a truncated answer over TCP')
  if (answer.rcode !== 'NOERROR' && answer.rcode !== 'NXDOMAIN') throw new Error(`answered ${answer.rcode}`)
  if (isReferral(answer)) throw new Error('referred to other servers: it does not resolve this name')
  return answer
}

function readAnswer(bytes: Buffer, question: DnsQuestion): DnsAnswer | undefined {
  try {
    return decodeAnswer(bytes, question)
  } catch (error) {
    throw new Error(`sent a malformed answer (${reasonOf(error)})`, { cause: error })
  }
}

/** No answer, no SOA, but other servers' names: says nothing about the name (RFC 2308 section 2.2). */
function isReferral({ rcode, answers, authorities }: DnsAnswer): boolean {
  return (
    rcode === 'NOERROR' &&
    answers.length === 0 &&
    authorities.some((record) => record.type === 'NS') &&
    !authorities.some((record) => record.type === 'SOA')
  )
}

function systemServers(): readonly DnsServer[] {
  return getServers()
    .map(parseDnsServer)
    .filter((server) => server !== undefined)
}

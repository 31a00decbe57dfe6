/**
 * One DNS question to one server: over UDP with EDNS, and over whatever else it takes to get a whole answer.
 *
 * Node's own resolver reports no TTL for SRV and no SOA for negative answers, and sends no EDNS; hence this.
 */
import { inTime } from '../../../core/async/with-timeout.ts'
import { unguessableInt, type Clock } from '../../../core/clock.ts'
import { reasonOf } from '../../../core/errors.ts'
import { AnsweredError, SilentError, TemporaryError } from '../server-failure.ts'
import { decodeAnswer, encodeQuery, type DnsAnswer, type DnsQuery, type DnsQuestion } from './message.ts'
import { exchangeTcp, exchangeUdp, type DnsServer } from './transport.ts'

export interface AskOptions {
  /** For each message sent. */
  readonly timeoutMs: number
  /** The server was silent before: this time over TCP, in case it is datagrams that do not get there or back. */
  readonly again: boolean
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** What we can take in one datagram without fragments (DNS Flag Day 2020). */
const EDNS_BYTES = 1232
/** RFC 1035 section 4.2.1. */
const PLAIN_BYTES = 512

/** RFC 6891 section 7: what servers say that do not know EDNS, or not this version of it. */
const NO_EDNS: ReadonlySet<string> = new Set(['FORMERR', 'NOTIMP', 'BADVERS'])

/**
 * @returns an answer that says `NOERROR` or `NXDOMAIN`, whole
 * @throws SilentError, AnsweredError, or an Error when the server is out of reach or sends nothing readable;
 *   the signal's reason as soon as it aborts
 */
export async function askServer(server: DnsServer, query: DnsQuery, options: AskOptions): Promise<DnsAnswer> {
  let answer = await askWhole(server, query, EDNS_BYTES, options)
  // RFC 6891 section 6.2.2: once more, without.
  if (NO_EDNS.has(answer.rcode)) answer = await askWhole(server, query, undefined, options)
  if (answer.rcode === 'SERVFAIL') throw new TemporaryError('answered SERVFAIL')
  if (answer.rcode !== 'NOERROR' && answer.rcode !== 'NXDOMAIN')
    throw new AnsweredError(`answered ${answer.rcode}`)
  if (isReferral(answer)) throw new AnsweredError('referred to other servers: it does not resolve this name')
  return answer
}

/**
 * Over UDP; and over TCP when the answer does not fit into a datagram, or when nothing takes datagrams there
 * (a server behind TCP alone, a security group that admits TCP alone).
 */
async function askWhole(
  server: DnsServer,
  query: DnsQuery,
  ednsBytes: number | undefined,
  options: AskOptions,
): Promise<DnsAnswer> {
  const { timeoutMs: limitMs, clock, signal } = options
  const question: DnsQuestion = { ...query, id: unguessableInt(2 ** 16) }
  const message = encodeQuery(question, ednsBytes)
  const limit = { clock, limitMs, signal, late: () => new SilentError(`gave no answer in ${limitMs} ms`) }
  // A larger message came in fragments. All but the first are easily forged, so it is refused.
  const maxBytes = ednsBytes ?? PLAIN_BYTES
  const overUdp = (): Promise<DnsAnswer> =>
    inTime(limit, (own) => exchangeUdp(server, message, (bytes) => read(bytes, question, maxBytes), own))
  const overTcp = async (): Promise<DnsAnswer> => {
    const answer = await inTime(limit, (own) =>
      exchangeTcp(server, message, (bytes) => read(bytes, question), own),
    )
    if (answer.truncated) throw new AnsweredError('sent a truncated answer over TCP')
    return answer
  }
  const answer = await (options.again ? unlessRefused(overTcp, overUdp) : unlessRefused(overUdp, overTcp))
  return answer.truncated ? overTcp() : answer
}

/** What `first` brings; if it is refused, what `second` does; and if that fails as well, the refusal. */
async function unlessRefused(
  first: () => Promise<DnsAnswer>,
  second: () => Promise<DnsAnswer>,
): Promise<DnsAnswer> {
  try {
    return await first()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error
    return await second().catch((secondError: unknown) => {
      throw secondError instanceof AnsweredError || secondError instanceof SilentError ? secondError : error
    })
  }
}

function read(bytes: Buffer, question: DnsQuestion, maxBytes?: number): DnsAnswer | undefined {
  try {
    return decodeAnswer(bytes, question, maxBytes)
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

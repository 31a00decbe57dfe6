/** One DNS question to the first server that can answer it. */
import { getServers } from 'node:dns'
import { formatAddressPort, parseAddressPort } from '../../core/ip.ts'
import { LRUCache } from 'lru-cache'
import { sleep, unawaited, type Clock } from '../../core/clock.ts'
import { ResolutionFailedError, reasonOf } from '../../core/errors.ts'
import { ServerBackoff } from './server-backoff.ts'
import type { DnsAnswer, DnsType } from './wire/message.ts'
import { isDnsName } from './name.ts'
import type { DnsServer } from './wire/transport.ts'
import { CrowdedError, QueryWindow, type Rank } from './query-window.ts'
import { AnsweredError, askServer, SilentError, TemporaryError, type AskOptions } from './exchange.ts'

export interface StubOptions {
  /** Asked in this order. Empty: those of the machine (`dns.getServers()`). */
  readonly servers: readonly DnsServer[]
  /** For each try of each server. */
  readonly timeoutMs: number
  /** How often a silent server is asked. What cannot find out at the moment is asked for as long as that takes. */
  readonly tries: number
  readonly clock: Clock
}

const DNS_PORT = 53

/**
 * Each query has one socket and one packet on its way. The VPC's resolver drops what exceeds 1,024 packets a
 * second and network interface, and the task's own lookups count, too: a client that starts with a thousand
 * names must not send them all at once. As a window and not as a rate: cached answers take about a millisecond,
 * while packets that are dropped hold places, so that the rate falls when the resolver is not keeping up, and nowhere
 * else: to 640 a second, and 256 once as many are overdue.
 */
const MAX_IN_FLIGHT = 64
/** A recursive answer takes some tens of ms. */
const OVERDUE_MS = 100
/** A socket each, of the 1,024 files that a process may have open unless the limit was raised. */
const MAX_OVERDUE = 192
const MAX_WAITING = 1_000
/** A caller that waits longer has usually given up. */
const MAX_WAIT_MS = 5_000

/** Names for which servers are known to answer; as many as there are services in the cache. */
const MAX_KNOWN = 1_000

/** After all servers have said that they cannot find out at the moment; doubled each time. */
const FIRST_PAUSE_MS = 50

/** `10.0.0.2`, `127.0.0.1:5353`, `::1`, `[::1]:53`; undefined for anything else, host names included. */
export function parseDnsServer(text: string): DnsServer | undefined {
  const parsed = parseAddressPort(text)
  return parsed === undefined ? undefined : { address: parsed.address, port: parsed.port ?? DNS_PORT }
}

/** A stub resolver (RFC 1034 section 5.3.1): knows servers, and how they did lately; keeps no answers. */
export class StubResolver {
  readonly #options: StubOptions
  readonly #backoff = new ServerBackoff()
  readonly #window: QueryWindow
  readonly #known = new LRUCache<string, true>({ max: MAX_KNOWN })

  constructor(options: StubOptions) {
    this.#options = options
    this.#window = new QueryWindow({
      clock: options.clock,
      places: MAX_IN_FLIGHT,
      overdueMs: OVERDUE_MS,
      overduePlaces: MAX_OVERDUE,
      mostWaiting: MAX_WAITING,
      longestWaitMs: MAX_WAIT_MS,
    })
  }

  /**
   * Asks the servers in their order, those with a back-off last, until one answers `NOERROR` or `NXDOMAIN`. A
   * server that says anything else, or nothing readable, is not asked again, since it would say the same; one
   * that is silent is, once a round. One that says SERVFAIL is, after 50 ms and then twice as long each time, for as long
   * as it might have been silent.
   *
   * @throws ResolutionFailedError with what each server did; the signal's reason as soon as it aborts
   */
  async query(name: string, type: DnsType, signal: AbortSignal): Promise<DnsAnswer> {
    if (!isDnsName(name)) throw new ResolutionFailedError(name, 'is not a valid DNS name')
    const { clock, tries, timeoutMs } = this.#options
    const failures = new Map<DnsServer, unknown>()
    const silences = new Map<DnsServer, number>()
    const endsAt = clock.now() + tries * timeoutMs
    let left = this.#servers()
    for (let pauseMs = FIRST_PAUSE_MS; left.length > 0;) {
      for (const server of left) {
        const again = silences.has(server)
        try {
          const answer = await this.#askInTurn(server, name, type, { signal, again })
          if (answer.rcode === 'NOERROR') this.#known.set(name, true)
          return answer
        } catch (error) {
          signal.throwIfAborted()
          if (error instanceof CrowdedError) throw failureOf(name, type, failures, error)
          failures.set(server, error)
          if (error instanceof SilentError) silences.set(server, (silences.get(server) ?? 0) + 1)
        }
      }
      const isSilent = (server: DnsServer): boolean => failures.get(server) instanceof SilentError
      left = left.filter((server) =>
        isSilent(server)
          ? (silences.get(server) ?? 0) < tries
          : failures.get(server) instanceof TemporaryError,
      )
      // Silence has taken its time already.
      if (left.some(isSilent)) continue
      if (clock.now() + pauseMs > endsAt) break
      if (left.length > 0) await sleep(unawaited(clock), pauseMs, signal)
      pauseMs *= 2
    }
    throw failureOf(name, type, failures)
  }

  #servers(): readonly DnsServer[] {
    const { clock, servers } = this.#options
    return this.#backoff.order(servers.length > 0 ? servers : systemServers(), clock.now())
  }

  /** When there is a place for it among the queries under way. */
  #askInTurn(
    server: DnsServer,
    name: string,
    type: DnsType,
    how: Pick<AskOptions, 'signal' | 'again'>,
  ): Promise<DnsAnswer> {
    const rank: Rank = this.#known.has(name) ? 'known' : how.again ? 'silent' : 'new'
    return this.#window.run(how.signal, rank, () => this.#ask(server, name, type, how))
  }

  /** Asks one, and learns from what it does. */
  async #ask(
    server: DnsServer,
    name: string,
    type: DnsType,
    how: Pick<AskOptions, 'signal' | 'again'>,
  ): Promise<DnsAnswer> {
    const { clock, timeoutMs } = this.#options
    const askedAt = clock.now()
    try {
      const answer = await askServer(server, name, type, { clock, timeoutMs, ...how })
      this.#backoff.answered(server)
      return answer
    } catch (error) {
      if (error instanceof AnsweredError) this.#backoff.answered(server)
      else if (!how.signal.aborted) this.#backoff.failed(server, askedAt, clock.now())
      throw error
    }
  }
}

function failureOf(
  name: string,
  type: DnsType,
  failures: ReadonlyMap<DnsServer, unknown>,
  crowded?: CrowdedError,
): ResolutionFailedError {
  const reasons = [...failures].map(
    ([{ address, port }, error]) => `${formatAddressPort(address, port)} ${reasonOf(error)}`,
  )
  if (crowded !== undefined) reasons.push(crowded.message)
  const why = reasons.length > 0 ? reasons.join('; ') : 'there is no DNS server'
  return new ResolutionFailedError(
    name,
    `${type} query failed: ${why}`,
    crowded ?? [...failures.values()].at(-1),
  )
}

function systemServers(): readonly DnsServer[] {
  return getServers()
    .map(parseDnsServer)
    .filter((server) => server !== undefined)
}

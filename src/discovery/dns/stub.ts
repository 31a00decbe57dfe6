/** One DNS question to the first server that can answer it. */
import { getServers } from 'node:dns'
import { LRUCache } from 'lru-cache'
import { sleep, unawaited, type Clock } from '../../core/clock.ts'
import { ResolutionFailedError, reasonOf } from '../../core/errors.ts'
import { formatAddressPort, parseAddressPort } from '../../core/ip.ts'
import { isDnsName } from '../service-name.ts'
import { CrowdedError, QueryWindow, type Rank } from './query-window.ts'
import { ServerBackoff } from './server-backoff.ts'
import { AnsweredError, SilentError, TemporaryError } from './server-failure.ts'
import type * as Exchange from './wire/exchange.ts'
import type { DnsAnswer, DnsQuery, DnsType } from './wire/message.ts'
import type { DnsServer } from './wire/transport.ts'

/** Loaded with the first question: with `dns-packet` it is a fourth of what this library adds to an import of undici. */
let exchange: typeof Exchange | undefined

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
    this.#window = new QueryWindow(options.clock)
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
    const endsAt = clock.now() + tries * timeoutMs
    const asked = this.#servers().map((server): Asked => ({ server, error: undefined, silences: 0 }))
    let left: readonly Asked[] = asked
    for (let pauseMs = FIRST_PAUSE_MS; left.length > 0;) {
      for (const one of left) {
        try {
          const how = { signal, again: one.silences > 0 }
          const answer = await this.#ask(one.server, { name, type }, how)
          if (answer.rcode === 'NOERROR') this.#known.set(name, true)
          return answer
        } catch (error) {
          signal.throwIfAborted()
          if (error instanceof CrowdedError) throw failureOf(name, type, asked, error)
          one.error = error
          if (error instanceof SilentError) one.silences++
        }
      }
      left = left.filter(({ error, silences }) =>
        error instanceof SilentError ? silences < tries : error instanceof TemporaryError,
      )
      // Silence has taken its time already.
      if (left.some(({ error }) => error instanceof SilentError)) continue
      if (clock.now() + pauseMs > endsAt) break
      if (left.length > 0) await sleep(unawaited(clock), pauseMs, signal)
      pauseMs *= 2
    }
    throw failureOf(name, type, asked)
  }

  #servers(): readonly DnsServer[] {
    const { clock, servers } = this.#options
    return this.#backoff.order(servers.length > 0 ? servers : systemServers(), clock.now())
  }

  /** Asks one when there is a place among the queries under way, and learns from what it does. */
  #ask(server: DnsServer, query: DnsQuery, how: { signal: AbortSignal; again: boolean }): Promise<DnsAnswer> {
    const { clock, timeoutMs } = this.#options
    const rank: Rank = this.#known.has(query.name) ? 'known' : how.again ? 'silent' : 'new'
    return this.#window.run(how.signal, rank, async () => {
      const { askServer } = (exchange ??= await import('./wire/exchange.ts'))
      const askedAt = clock.now()
      try {
        const answer = await askServer(server, query, { clock, timeoutMs, ...how })
        this.#backoff.answered(server)
        return answer
      } catch (error) {
        if (error instanceof AnsweredError) this.#backoff.answered(server)
        else if (!how.signal.aborted) this.#backoff.failed(server, askedAt, clock.now())
        throw error
      }
    })
  }
}

/** What a server has done so far about one question. */
interface Asked {
  readonly server: DnsServer
  /** undefined before it was asked. */
  error: unknown
  silences: number
}

function failureOf(
  name: string,
  type: DnsType,
  asked: readonly Asked[],
  crowded?: CrowdedError,
): ResolutionFailedError {
  const failed = asked.filter(({ error }) => error !== undefined)
  const reasons = failed.map(
    ({ server: { address, port }, error }) => `${formatAddressPort(address, port)} ${reasonOf(error)}`,
  )
  if (crowded !== undefined) reasons.push(crowded.message)
  const why = reasons.length > 0 ? reasons.join('; ') : 'there is no DNS server'
  return new ResolutionFailedError(name, `${type} query failed: ${why}`, crowded ?? failed.at(-1)?.error)
}

function systemServers(): readonly DnsServer[] {
  return getServers()
    .map(parseDnsServer)
    .filter((server) => server !== undefined)
}

/** One DNS question to the first server that can answer it. */
import { getServers } from 'node:dns'
import { formatAddressPort, parseAddressPort } from '../core/address-port.ts'
import type { Clock } from '../core/clock.ts'
import { ResolutionFailedError, reasonOf } from '../core/errors.ts'
import { ServerBackoff } from './dns-backoff.ts'
import type { DnsAnswer, DnsType } from './dns-message.ts'
import { isDnsName } from './dns-name.ts'
import { Semaphore } from './dns-semaphore.ts'
import type { DnsServer } from './dns-transport.ts'
import { AnsweredError, askServer, SilentError, type AskOptions } from './dns-wire.ts'

export interface StubOptions {
  /** Asked in this order. Empty: those of the machine (`dns.getServers()`). */
  readonly servers: readonly DnsServer[]
  /** For each try of each server. */
  readonly timeoutMs: number
  /** How often a silent server is asked. */
  readonly rounds: number
  readonly clock: Clock
}

const DNS_PORT = 53

/**
 * Each query has one socket and one packet on its way. The VPC's resolver drops what exceeds 1,024 packets a
 * second and network interface, and the task's own lookups count, too: a client that starts with a thousand
 * names must not send them all at once. As a window and not as a rate: cached answers take about a millisecond,
 * while each packet that is dropped holds its place for `timeoutMs`, so that the rate falls when the resolver is
 * not keeping up, and nowhere else.
 */
const MOST_IN_FLIGHT = 64

/** `10.0.0.2`, `127.0.0.1:5353`, `::1`, `[::1]:53`; undefined for anything else, host names included. */
export function parseDnsServer(text: string): DnsServer | undefined {
  const parsed = parseAddressPort(text)
  return parsed === undefined ? undefined : { address: parsed.address, port: parsed.port ?? DNS_PORT }
}

/** A stub resolver (RFC 1034 section 5.3.1): knows servers, and how they did lately; keeps no answers. */
export class StubResolver {
  readonly #options: StubOptions
  readonly #backoff = new ServerBackoff()
  readonly #inFlight = new Semaphore(MOST_IN_FLIGHT)

  constructor(options: StubOptions) {
    this.#options = options
  }

  /**
   * Asks the servers in their order, those with a back-off last, until one answers `NOERROR` or `NXDOMAIN`. A
   * server that says anything else, or nothing readable, is not asked again, since it would say the same; one
   * that is silent is, once a round.
   *
   * @throws ResolutionFailedError that tells what each server did; the signal's reason as soon as it aborts
   */
  async query(name: string, type: DnsType, signal: AbortSignal): Promise<DnsAnswer> {
    if (!isDnsName(name)) throw new ResolutionFailedError(name, 'is no name that DNS could know')
    return this.#inFlight.run(signal, () => this.#askInOrder(name, type, signal))
  }

  async #askInOrder(name: string, type: DnsType, signal: AbortSignal): Promise<DnsAnswer> {
    const { clock, rounds } = this.#options
    const configured = this.#options.servers.length > 0 ? this.#options.servers : systemServers()
    const servers = this.#backoff.order(configured, clock.now())
    const failures = new Map<DnsServer, unknown>()
    const out = new Set<DnsServer>()
    for (let round = 0; round < rounds; round++) {
      for (const server of servers) {
        if (out.has(server)) continue
        try {
          return await this.#ask(server, name, type, { signal, again: round > 0 })
        } catch (error) {
          signal.throwIfAborted()
          failures.set(server, error)
          if (!(error instanceof SilentError)) out.add(server)
        }
      }
    }
    const told = [...failures].map(
      ([{ address, port }, error]) => `${formatAddressPort(address, port)} ${reasonOf(error)}`,
    )
    const why = told.length > 0 ? told.join('; ') : 'there is no DNS server'
    throw new ResolutionFailedError(name, `${type} query failed: ${why}`, [...failures.values()].at(-1))
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

function systemServers(): readonly DnsServer[] {
  return getServers()
    .map(parseDnsServer)
    .filter((server) => server !== undefined)
}

import { formatAddressPort } from '../../core/ip.ts'
import type { DnsServer } from './wire/transport.ts'

interface Failing {
  readonly backoffMs: number
  readonly since: number
  readonly until: number
}

const MIN_MS = 1000
const MAX_MS = 30_000

/**
 * Servers that are asked last for a while because they were silent, out of reach or not to be understood:
 * 1 s, doubled with each failure in a row up to 30 s. Kept by address and port, since the list of servers may be
 * made anew for each query. Nothing is ever refused: the last of a list is asked, too.
 */
export class ServerBackoff {
  // Only servers that failed last time; those that a machine ever had are few.
  readonly #failing = new Map<string, Failing>()

  /** Those without a back-off first; the order of the list among themselves, and among the others. */
  order(servers: readonly DnsServer[], now: number): readonly DnsServer[] {
    const byTurn = Map.groupBy(servers, (server) => this.#claimTurn(server, now))
    return [true, false].flatMap((hasTurn) => byTurn.get(hasTurn) ?? [])
  }

  answered(server: DnsServer): void {
    this.#failing.delete(keyOf(server))
  }

  /** @param askedAt queries that were on their way when the back-off began say nothing new and do not count */
  failed(server: DnsServer, askedAt: number, now: number): void {
    const key = keyOf(server)
    const before = this.#failing.get(key)
    if (before !== undefined && askedAt < before.since) return
    const backoffMs = before === undefined ? MIN_MS : Math.min(MAX_MS, before.backoffMs * 2)
    this.#failing.set(key, { backoffMs, since: now, until: now + backoffMs })
  }

  /** @returns whether the server has its turn. When a back-off is over, one query claims it; others go on as before. */
  #claimTurn(server: DnsServer, now: number): boolean {
    const key = keyOf(server)
    const failing = this.#failing.get(key)
    if (failing === undefined) return true
    if (failing.until > now) return false
    this.#failing.set(key, { ...failing, until: now + failing.backoffMs })
    return true
  }
}

function keyOf({ address, port }: DnsServer): string {
  return formatAddressPort(address, port)
}

/** Lookups whose TTLs can be told to the millisecond, though the servers are real. */
import { dnsResolver, type DnsOptions } from 'onehop'
import { systemClock, type Clock } from '../../src/core/clock.ts'
import { placeOf } from '../../src/discovery/endpoint-set.ts'
import { parseServiceName } from '../../src/discovery/service-name.ts'

export interface Told {
  /** `10.0.1.5`, or `10.0.1.5:8080` where a port is known; sorted. */
  readonly places: readonly string[]
  readonly ttlMs: number
  readonly complete: boolean
}

const NOW = 5000

/** In place of the 50 ms in which the addresses of one family wait for those of the other: the server is another process. */
const SHORTEST_WAIT_MS = 1_000

/** Time stands still for what is reckoned with it, but what waits for an answer waits in real time, and not too shortly. */
const stillClock: Clock = {
  ...systemClock,
  now: () => NOW,
  setTimer: (callback, delayMs, awaited) =>
    systemClock.setTimer(callback, Math.max(SHORTEST_WAIT_MS, delayMs), awaited),
}

/** Two shared cores: longer than any answer takes, and still an end. */
export const PATIENT: DnsOptions = { timeoutMs: 5_000 }

/** By a resolver that remembers nothing. */
export async function lookUp(server: string, name: string, options: DnsOptions = {}): Promise<Told> {
  const resolver = dnsResolver({ ...PATIENT, ...options, servers: [server], clock: stillClock })
  const service = parseServiceName(name, [])
  const snapshot = await resolver.resolve(service, new AbortController().signal)
  return {
    places: snapshot.endpoints.map(placeOf).toSorted(),
    ttlMs: snapshot.expiresAt - NOW,
    complete: snapshot.complete,
  }
}

/** `10.0.1.1`, `10.0.1.2`, ..., sorted as {@link Told} has them. */
export function addresses(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `10.0.1.${index + 1}`).toSorted()
}

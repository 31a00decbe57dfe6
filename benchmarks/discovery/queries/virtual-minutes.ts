import { createClient, type Client, type ClientOptions, type Resolver } from 'onehop'
import { manualClock, seededRandom, type ManualClock } from 'onehop/testing'

/** Real time that pending lookups may take. A loopback server answers within milliseconds. */
const LOOKUP_BOUND_MS = 10_000

/** Longest step. Services count as idle after 60 s without calls, so steps are much shorter. */
const MAX_STEP_MS = 5_000

/** A client on virtual time with real servers. */
export interface VirtualClient extends AsyncDisposable {
  /** Advances time by some minutes, and calls each of `hosts` all the time. */
  pass(minutes: number, hosts: readonly string[]): Promise<void>
}

/**
 * Virtual time jumps from one lookup to the next and stops during a lookup. So lookups take no time, and only TTLs
 * and poll intervals decide the result.
 */
export function virtualClient(
  resolverOf: (clock: ManualClock) => Resolver,
  options: ClientOptions,
): VirtualClient {
  const clock = manualClock()
  const random = seededRandom(1)
  const flights = new Set<Promise<unknown>>()
  const resolver = resolverOf(clock)
  const counted: Resolver = {
    resolve(service, signal) {
      const flight = resolver.resolve(service, signal)
      const settled = flight.catch(() => undefined).finally(() => flights.delete(settled))
      flights.add(settled)
      return flight
    },
    close: () => resolver.close?.(),
  }
  const client = createClient({ ...options, discovery: counted, clock, random })

  const landed = async (): Promise<void> => {
    const until = performance.now() + LOOKUP_BOUND_MS
    while (flights.size > 0) {
      if (performance.now() > until) throw new Error(`${flights.size} lookups did not end in time`)
      await Promise.all(flights)
    }
    // Time for what the client does after a lookup.
    await new Promise((resolve) => setImmediate(resolve))
  }

  return {
    async pass(minutes, hosts) {
      const end = clock.now() + minutes * 60_000
      for (;;) {
        const used = Promise.all(hosts.map((host) => client.resolve(host)))
        await landed()
        await used
        const leftMs = end - clock.now()
        if (leftMs <= 0) return
        await clock.advance(Math.min(leftMs, MAX_STEP_MS, untilNextLookupMs(client)))
      }
    },
    [Symbol.asyncDispose]: () => client.close(),
  }
}

function untilNextLookupMs(client: Client): number {
  const waits = Object.values(client.inspect().services).map(
    ({ nextLookupInMs }) => nextLookupInMs ?? Number.POSITIVE_INFINITY,
  )
  return Math.min(...waits)
}

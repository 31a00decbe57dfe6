import { createClient, type Client, type ClientOptions, type Resolver } from 'onehop'
import { manualClock, seededRandom, type ManualClock } from 'onehop/testing'

/** Real time for lookups under way: a loopback server answers within milliseconds. */
const LOOKUP_BOUND_MS = 10_000

/** How far a step goes at most, so that services are called well within the 60 s after which they count as idle. */
const LONGEST_STEP_MS = 5_000

/** A client on virtual time that asks real servers. */
export interface VirtualClient extends AsyncDisposable {
  /** Lets so many minutes pass, in which each of `hosts` is called again and again. */
  pass(minutes: number, hosts: readonly string[]): Promise<void>
}

/**
 * Virtual time goes from one lookup to the next and stands still while it is under way, so a lookup takes no
 * time at all, and the result is what TTLs and poll intervals make of it.
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
      if (performance.now() > until) throw new Error(`${flights.size} lookups take too long`)
      await Promise.all(flights)
    }
    // What follows a lookup inside the client.
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
        await clock.advance(Math.min(leftMs, LONGEST_STEP_MS, untilNextLookupMs(client)))
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

import type { Inspection, UpstreamInspection } from '../index.ts'

/** The endpoint that the balancer has picked. */
export interface Picked {
  readonly address: string
  readonly tier: 0 | 1
  /** Whether it is first also if it is ejected. */
  readonly mayProbe: boolean
}

/** The addresses of one service, without ports, each once. */
export interface RankedAddresses {
  /** Tasks that take calls, best first. */
  readonly tasks: readonly string[]
  /** The load balancer, as a host name or an address; undefined: none. */
  readonly balancer: string | undefined
  /** Tasks that are ejected. */
  readonly ejected: readonly string[]
}

/**
 * The tasks behind the one that was picked: by zone, and within it in turn, so that the connections of a task that is
 * gone are shared by all others.
 * @param turn another number each time
 */
export function rankedAddresses(
  { services }: Inspection,
  origin: string,
  picked: Picked,
  turn: number,
): RankedAddresses {
  const origins = Object.values(services).find((service) => origin in service.origins)?.origins ?? {}
  const upstreams = origins[origin]?.upstreams ?? []
  const isEjected = ejectedAt(Object.values(origins).flatMap((known) => known.upstreams))
  const isFirst = picked.tier === 0 && (picked.mayProbe || !isEjected(picked.address))
  const rest = upstreams.filter((task) => task.tier === 0 && !(isFirst && addressOf(task) === picked.address))
  const able = rest.filter((task) => !isEjected(addressOf(task)))
  const ranked = [
    ...(isFirst ? [picked.address] : []),
    ...rotated(able.filter(({ isLocal }) => isLocal !== false).map(addressOf), turn),
    ...rotated(able.filter(({ isLocal }) => isLocal === false).map(addressOf), turn),
  ]
  const balancer = upstreams.find(({ tier }) => tier === 1)
  return {
    tasks: [...new Set(ranked)],
    balancer: balancer === undefined ? undefined : addressOf(balancer),
    ejected: [...new Set(rotated(rest.map(addressOf).filter(isEjected), turn))],
  }
}

/** On whatever port a task is ejected: nothing but the order depends on it, and a lookup knows no port. */
function ejectedAt(upstreams: readonly UpstreamInspection[]): (address: string) => boolean {
  const addresses = new Set(upstreams.filter(({ state }) => state !== 'available').map(addressOf))
  return (address) => addresses.has(address)
}

/** `10.0.11.42` of `10.0.11.42:8080`. */
function addressOf({ upstream }: UpstreamInspection): string {
  return upstream.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')
}

/** Begins elsewhere each time, and each round with another one: a balancer may pick in turn, too. */
function rotated(addresses: readonly string[], turn: number): readonly string[] {
  const { length } = addresses
  if (length === 0) return addresses
  const start = (turn + Math.floor(turn / length)) % length
  return [...addresses.slice(start), ...addresses.slice(0, start)]
}

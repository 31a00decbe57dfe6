/** What the direct path and the load balancers cost in a month, for the user's volume and what the run measured. */
import { LCU, NLCU_TCP, NLCU_TLS, type CapacityUnit, type Dimension, type Prices } from './prices.ts'

/** The load that the user has, not that of the run. */
export interface Volume {
  /** Calls a second, on average over the month. */
  readonly callsPerSecond: number
  /** Processes that call the service. */
  readonly callers: number
  /** Rules of the ALB's listener that a call is matched with; the first 10 are free. */
  readonly albRules: number
  /** Requests to the Cloud Map API that one process makes in a minute for one service. */
  readonly cloudMapCallsPerMinute: number
  /** Bytes of a call on the wire, both ways; undefined: as measured. */
  readonly bytesPerCall: number | undefined
  /** Share of direct calls to other zones, 0 to 1; undefined: as measured. */
  readonly remoteShare: number | undefined
  /** New connections for each call; undefined: as measured. */
  readonly connectionsPerCall: number | undefined
}

/** A process polls the revision every 5 s and reads the instances every 30 s: benchmarks/README.md, queries per minute. */
export const CLOUD_MAP_CALLS_PER_MINUTE = 11.8

/** What the run says about one call. */
export interface MeasuredCall {
  /** On the wire, both ways; undefined if nothing was measured. */
  readonly bytes: number | undefined
  /** Share of direct calls to other zones, by how tasks are found; undefined if zones are not known. */
  readonly remoteShare: { readonly dns: number | undefined; readonly api: number | undefined }
  /** New connections to the load balancer for each call. */
  readonly connectionsPerCall: number | undefined
  /** Connections to the load balancer that this process had at once. */
  readonly activeConnections: number | undefined
  readonly isTls: boolean
}

/** Dollars a month, and how they come about. */
export interface CostItem {
  readonly name: string
  readonly perMonth: number
  readonly because: string
}

/** One way to call the service. */
export interface CostOfPath {
  readonly path: 'direct-dns' | 'direct-api' | 'alb' | 'nlb'
  readonly perMonth: number
  readonly items: readonly CostItem[]
}

/** Capacity units that one dimension would take. */
export interface Units {
  readonly dimension: string
  readonly units: number
}

export interface Cost {
  readonly inputs: {
    readonly callsPerSecond: number
    readonly callers: number
    readonly bytesPerCall: number
    /** By how tasks are found; null: zones are not known; then crossing zones is not in the sums. */
    readonly remoteShare: { readonly dns: number | null; readonly api: number | null }
    readonly connectionsPerCall: number
    readonly activeConnections: number
  }
  readonly paths: readonly CostOfPath[]
  readonly lcu: readonly Units[]
  readonly nlcu: readonly Units[]
  /** Crossing zones if every direct call did: the most that it can cost. */
  readonly allRemotePerMonth: number
  readonly prices: Prices
}

/** Of a month. */
export const HOURS = 730
const SECONDS_PER_HOUR = 3_600
const GB = 1e9
const FREE_RULES = 10

export function costOf(volume: Volume, measured: MeasuredCall, prices: Prices): Cost {
  const { callsPerSecond, callers } = volume
  const bytesPerCall = volume.bytesPerCall ?? measured.bytes ?? 0
  const connectionsPerCall = volume.connectionsPerCall ?? measured.connectionsPerCall ?? 0
  const activeConnections = (measured.activeConnections ?? 0) * callers
  const { dns, api } = measured.remoteShare
  // If only one way was measured, the other is taken to be alike.
  const remoteShare = {
    dns: volume.remoteShare ?? dns ?? api ?? null,
    api: volume.remoteShare ?? api ?? dns ?? null,
  }
  const gbPerHour = (callsPerSecond * bytesPerCall * SECONDS_PER_HOUR) / GB
  const use = {
    'new connections': callsPerSecond * connectionsPerCall,
    'active connections': activeConnections,
    bytes: gbPerHour,
    'rule evaluations': callsPerSecond * Math.max(0, volume.albRules - FREE_RULES),
  }
  const lcu = unitsOf(use, LCU)
  const nlcu = unitsOf(use, measured.isTls ? NLCU_TLS : NLCU_TCP)
  const allRemotePerMonth = gbPerHour * HOURS * 2 * prices.crossZoneGb
  const crossing = (share: number | null): CostItem => crossingItem(share, allRemotePerMonth, prices)
  return {
    inputs: { callsPerSecond, callers, bytesPerCall, remoteShare, connectionsPerCall, activeConnections },
    paths: [
      pathOf('direct-dns', [crossing(remoteShare.dns)]),
      pathOf('direct-api', [crossing(remoteShare.api), cloudMapItem(volume, prices)]),
      pathOf('alb', [hoursItem('ALB', prices.albHour), capacityItem('LCU', lcu, prices.lcuHour)]),
      pathOf('nlb', [hoursItem('NLB', prices.nlbHour), capacityItem('NLCU', nlcu, prices.nlcuHour)]),
    ],
    lcu,
    nlcu,
    allRemotePerMonth,
    prices,
  }
}

function unitsOf(use: Readonly<Record<Dimension, number>>, unit: CapacityUnit): Units[] {
  return Object.entries(unit).map(([dimension, size]) => ({
    dimension,
    units: use[dimension as Dimension] / size,
  }))
}

function crossingItem(remoteShare: number | null, allRemote: number, { crossZoneGb }: Prices): CostItem {
  const name = 'traffic between zones'
  if (remoteShare === null)
    return {
      name,
      perMonth: 0,
      because: "zones are not known: --zone names the caller's, --remote-share sets the share",
    }
  const share = `${(remoteShare * 100).toFixed(0)} % of the bytes cross zones`
  return { name, perMonth: allRemote * remoteShare, because: `${share}, $${crossZoneGb} a GB each way` }
}

function cloudMapItem(volume: Volume, prices: Prices): CostItem {
  const { callers, cloudMapCallsPerMinute } = volume
  return {
    name: 'Cloud Map API',
    perMonth: callers * discoveryMonth(volume, prices),
    because: `${callers} processes × ${cloudMapCallsPerMinute} requests a minute, $${prices.cloudMapMillion} a million`,
  }
}

/** What discovery by the API costs one process in a month, for one service. */
export function discoveryMonth({ cloudMapCallsPerMinute }: Volume, { cloudMapMillion }: Prices): number {
  return (cloudMapCallsPerMinute * 60 * HOURS * cloudMapMillion) / 1e6
}

function hoursItem(name: string, price: number): CostItem {
  return { name: `${name}, hours`, perMonth: HOURS * price, because: `${HOURS} h × $${price}` }
}

function capacityItem(name: string, units: readonly Units[], price: number): CostItem {
  const { dimension, units: most } = units.reduce((a, b) => (b.units > a.units ? b : a))
  return {
    name: `${name}s`,
    perMonth: HOURS * most * price,
    because: `${Number(most.toPrecision(3))} ${name} (${dimension}) × ${HOURS} h × $${price}`,
  }
}

function pathOf(path: CostOfPath['path'], items: readonly CostItem[]): CostOfPath {
  return { path, perMonth: items.reduce((sum, { perMonth }) => sum + perMonth, 0), items }
}

/**
 * List prices in USD of us-east-1, as secondary sources had them on the date below. AWS changes them, and other regions have
 * others: each is an option of `onehop bench`.
 */
export const PRICES_AS_OF = '2026-11-27'

export interface Prices {
  /** An Application Load Balancer, an hour. */
  readonly albHour: number
  /** Its capacity unit, an hour. */
  readonly lcuHour: number
  /** A Network Load Balancer, an hour. */
  readonly nlbHour: number
  /** Its capacity unit, an hour. */
  readonly nlcuHour: number
  /** A million calls of DiscoverInstances or DiscoverInstancesRevision. */
  readonly cloudMapMillion: number
  /** A GB between zones, in each of its two directions. */
  readonly crossZoneGb: number
}

export const DEFAULT_PRICES: Prices = {
  albHour: 0.0225,
  lcuHour: 0.008,
  nlbHour: 0.0225,
  nlcuHour: 0.006,
  cloudMapMillion: 1,
  crossZoneGb: 0.01,
}

export type Dimension = 'new connections' | 'active connections' | 'bytes' | 'rule evaluations'

/**
 * What one capacity unit holds: connections and rules a second, open connections, GB an hour. The largest of the dimensions
 * decides: https://aws.amazon.com/elasticloadbalancing/pricing/
 */
export type CapacityUnit = Readonly<Partial<Record<Dimension, number>>>

export const LCU: CapacityUnit = {
  'new connections': 25,
  'active connections': 3_000,
  bytes: 1,
  'rule evaluations': 1_000,
}

/** Of TCP listeners. */
export const NLCU_TCP: CapacityUnit = { 'new connections': 800, 'active connections': 100_000, bytes: 1 }

/** Of TLS listeners. */
export const NLCU_TLS: CapacityUnit = { 'new connections': 50, 'active connections': 3_000, bytes: 1 }

import type { EjectionCause } from './cluster/health/ejection.ts'
import type { Usage } from './discovery/usage.ts'

/** What `client.inspect()` returns: plain JSON, for a debug endpoint or a log line. Times in ms. */
export interface Inspection {
  /** Calls that have begun and not ended. */
  readonly callsUnderWay: number
  /** By host: every service that a call or `resolve()` has asked for. */
  readonly services: Readonly<Record<string, ServiceInspection>>
}

/** One service: its last answer from discovery, its lookups, and its origins. */
export interface ServiceInspection {
  /** What answered last: `dns`, `cloud-map`, `static`; undefined before the first answer. */
  readonly source: string | undefined
  /** What is wrong with that source, e.g. why it is DNS and not the API. */
  readonly warning: string | undefined
  /** Cloud Map's `InstancesRevision`. */
  readonly revision: number | undefined
  /** Since the last lookup that succeeded. */
  readonly ageMs: number | undefined
  /** Negative: how long it has been out of date. Infinity is reported as undefined. */
  readonly expiresInMs: number | undefined
  /** Until the next lookup; undefined when none is planned, as for a name without calls. */
  readonly nextLookupInMs: number | undefined
  /** Since the last call, or `resolve()`. */
  readonly idleMs: number | undefined
  /** `address` or `address:port`, as discovery reported them. */
  readonly endpoints: readonly string[]
  /** Whether that is all there is; false where answers are samples, as those of DNS with 8 records and more. */
  readonly complete: boolean | undefined
  /** The source says that there are no endpoints. */
  readonly negative: NegativeInspection | undefined
  /** Lookups that were begun, `refreshes` and `failedLookups` among them. */
  readonly lookups: number
  /** Lookups that succeeded. */
  readonly refreshes: number
  /** Lookups that failed. */
  readonly failedLookups: number
  /** Why the last lookup failed; undefined when it succeeded. */
  readonly lastError: string | undefined
  /** Since the last lookup that failed, also when others have succeeded after it. */
  readonly lastFailureMs: number | undefined
  /** What its lookups cost; undefined if the resolver does not count, and before the first lookup. */
  readonly cost: CostInspection | undefined
  /** By origin, e.g. `http://orders.shop.local:8080`. */
  readonly origins: Readonly<Record<string, OriginInspection>>
}

/** What the lookups of one service cost, in this process. */
export interface CostInspection {
  /** DNS queries since the start. */
  readonly dnsQueries: number
  /** Calls of the Cloud Map API since the start, by operation. */
  readonly apiCalls: Usage['apiCalls']
  /** Calls of the API in 30 days, at the rate of the last quarter of an hour. */
  readonly apiCallsPerMonth: number
  /** Their price, by `cloudMap.pricePerMillion`: in US dollars, unless that is another currency. */
  readonly pricePerMonth: number
}

/** The source says that a service has no endpoints. */
export interface NegativeInspection {
  /** `held`: not believed yet, calls go on with `endpoints`. `believed`: there are none. */
  readonly state: 'held' | 'believed'
  /** How long it has been saying so. */
  readonly forMs: number
}

/** One origin of a service (scheme, host and port), with its tasks. */
export interface OriginInspection {
  /** Those that wait for discovery or a retry among them; `maxPending.perOrigin` bounds it. */
  readonly callsUnderWay: number
  /** Share of the calls that goes straight to tasks, from 0 to 1. */
  readonly directShare: number
  /** How calls are divided between zones; undefined where the caller's zone is unknown or does not matter. */
  readonly zones: ZonesInspection | undefined
  /** Retries that the budget allows now. */
  readonly retryBudget: number
  /** undefined where calls are not hedged. */
  readonly hedging: HedgingInspection | undefined
  /** The tasks, and last the load balancer if there is one. */
  readonly upstreams: readonly UpstreamInspection[]
}

/** Second attempts of one origin. */
export interface HedgingInspection {
  /** After how long a second attempt begins now; undefined while fewer than 100 calls are known. */
  readonly delayMs: number | undefined
  /** Second attempts by calls, over the window of their budget. */
  readonly share: number
  /** Second attempts since the start, and those of them that answered first. */
  readonly begun: number
  /** Second attempts since the start that answered first. */
  readonly won: number
}

/** How calls are divided between the caller's zone and the others. */
export interface ZonesInspection {
  /** `own subnet` where its name is unknown. */
  readonly own: string
  /** Of the calls to tasks, the share that stays in the caller's zone now, from 0 to 1. */
  readonly localShare: number
  /**
   * What the zones should get by their capacity, and by their callers where `zone.peers` reports them. The caller's zone
   * gets less while it answers slower than the others. `""`: endpoints whose zone is unknown.
   */
  readonly shares: Readonly<Record<string, number>>
}

/** One task, or the load balancer, as one origin uses it. */
export interface UpstreamInspection {
  /** `10.0.11.42:8080` or `[2a05::1]:8080`. */
  readonly upstream: string
  /** 0: a task. 1: the load balancer. */
  readonly tier: 0 | 1
  /** Availability zone, e.g. `eu-west-1b`; undefined where discovery does not report it. */
  readonly zone: string | undefined
  /** Whether it is in the caller's zone; undefined where that is unknown, or does not matter. */
  readonly isLocal: boolean | undefined
  /** Share of traffic relative to its peers, as discovery reports it. */
  readonly weight: number
  /** `available`: gets calls. `ejected`: gets none. `probing`: one call tests whether it works again. */
  readonly state: 'available' | 'ejected' | 'probing'
  /** Why it is ejected: `refuses` connections, `fails` more than its peers, or `drains` because it is about to end. */
  readonly cause: EjectionCause | undefined
  /** The failure that led to the ejection, in words; undefined while it is available. */
  readonly reason: string | undefined
  /** How long it has been ejected; undefined while it is available. */
  readonly ejectedForMs: number | undefined
  /** How long its slow start has taken, as a new or readmitted task; undefined without one. */
  readonly slowStartMs: number | undefined
  /** What it takes of its share, from 0.1 to 1. */
  readonly slowStartShare: number
  /** Expected to response headers; undefined before it has answered. */
  readonly latencyMs: number | undefined
  /** Attempts begun and not ended, response bodies included. */
  readonly pending: number
  /** Attempts that ended. */
  readonly requests: number
  /** Attempts that failed. */
  readonly failures: number
}

import { LRUCache } from 'lru-cache'
import type { Clock } from '../core/clock.ts'
import { RollingWindow } from '../core/rolling-window.ts'

/** What lookups of one service have asked of their sources. */
export interface Usage {
  /** DNS queries; those that were sent again to the same or another server count once. */
  readonly dnsQueries: number
  /** Calls of the Cloud Map API, by operation; second tries of the SDK included. */
  readonly apiCalls: { readonly DiscoverInstances: number; readonly DiscoverInstancesRevision: number }
  /** Calls of the API in an hour, at the rate of the last quarter of an hour. */
  readonly apiCallsPerHour: number
}

/** What is counted: a DNS query, or an operation of the API. */
export type Asked = 'dns' | keyof Usage['apiCalls']

/** Names that are counted; others are forgotten with their counts. */
const MAX_NAMES = 1_000
/** Three full reads of `auto`, so that its rate does not jump with each of them. */
const SLOTS = 15
const SLOT_MS = 60_000
const HOUR_MS = 3_600_000

interface Counts {
  readonly totals: Record<Asked, number>
  readonly recent: RollingWindow
  readonly since: number
}

/** Counts what resolvers ask, by host. */
export class UsageCounter {
  readonly #clock: Clock
  readonly #hosts: LRUCache<string, Counts>

  constructor(clock: Clock) {
    this.#clock = clock
    this.#hosts = new LRUCache({ max: MAX_NAMES, memoMethod: () => noCounts(clock.now()) })
  }

  count(host: string, asked: Asked, times = 1): void {
    const { totals, recent } = this.#hosts.memo(host)
    totals[asked] += times
    if (asked !== 'dns') for (let time = 0; time < times; time++) recent.add(0, this.#clock.now())
  }

  /** undefined for a host that was never asked for. */
  of(host: string): Usage | undefined {
    const counts = this.#hosts.peek(host)
    if (counts === undefined) return undefined
    const now = this.#clock.now()
    const { dns, ...apiCalls } = counts.totals
    // A minute at least: the calls of a start are not a rate.
    const overMs = Math.min(SLOTS * SLOT_MS, Math.max(SLOT_MS, now - counts.since))
    return {
      dnsQueries: dns,
      apiCalls,
      apiCallsPerHour: (counts.recent.total(0, now) / overMs) * HOUR_MS,
    }
  }
}

function noCounts(since: number): Counts {
  return {
    totals: { dns: 0, DiscoverInstances: 0, DiscoverInstancesRevision: 0 },
    recent: new RollingWindow(SLOTS, SLOT_MS, 1, since),
    since,
  }
}

/** Of a resolver that asks two others. */
export function sumOfUsage(one: Usage | undefined, other: Usage | undefined): Usage | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return {
    dnsQueries: one.dnsQueries + other.dnsQueries,
    apiCalls: {
      DiscoverInstances: one.apiCalls.DiscoverInstances + other.apiCalls.DiscoverInstances,
      DiscoverInstancesRevision:
        one.apiCalls.DiscoverInstancesRevision + other.apiCalls.DiscoverInstancesRevision,
    },
    apiCallsPerHour: one.apiCallsPerHour + other.apiCallsPerHour,
  }
}

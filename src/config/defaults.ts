/** Every default of a service's options. docs/options.md lists them for users, docs/requests.md gives the reasons. */
import { p2c } from '../balancer/p2c.ts'
import { DEFAULT_OUTLIER } from '../cluster/health/outlier.ts'
import type { Random } from '../core/clock.ts'
import type { HedgeOptions } from '../dispatch/hedge/hedge-policy.ts'
import type { RetryOptions } from '../dispatch/retry/policy.ts'
import type { ServiceSettings, ZoneSettings } from '../dispatch/settings.ts'

export const DEFAULT_RETRY: RetryOptions = {
  attempts: 3,
  baseMs: 25,
  maxDelayMs: 250,
  maxRetryAfterMs: 5_000,
  maxReplayBytes: 65_536,
  budget: { ratio: 0.2, minPerSecond: 10, windowMs: 10_000 },
  on: undefined,
}

/** The values of `hedge: true`; hedging is off by default. */
export const DEFAULT_HEDGE: HedgeOptions = {
  percentile: 95,
  minMs: 1,
  // No reserve: more than this share of the calls is not a tail.
  budget: { ratio: 0.05, minPerSecond: 0 },
}

/** All from the task metadata. */
export const DEFAULT_ZONE: ZoneSettings = { own: undefined, subnets: undefined, peers: undefined }

/** @param random of the client; the default balancer uses it */
export function defaultSettings(random: Random): ServiceSettings {
  return {
    fallback: undefined,
    port: undefined,
    balancer: p2c({ random }),
    retry: DEFAULT_RETRY,
    budget: DEFAULT_RETRY.budget,
    hedge: undefined,
    classify: undefined,
    deadlineHeader: undefined,
    connectMs: 1_000,
    tcpConnectMs: 300,
    queueMs: 15_000,
    attemptMs: 15_000,
    deadlineMs: undefined,
    outlier: DEFAULT_OUTLIER,
    slowStartMs: 10_000,
    maxPending: { perTask: Number.POSITIVE_INFINITY, perOrigin: Number.POSITIVE_INFINITY },
    clientId: String(random.next()),
    subset: undefined,
    zone: DEFAULT_ZONE,
    pool: {},
  }
}

import { p2c } from '../src/balancer/p2c.ts'
import type { ClusterOptions } from '../src/cluster/cluster.ts'
import { DEFAULT_OUTLIER } from '../src/cluster/health/outlier.ts'
import type { Clock, Random } from '../src/core/clock.ts'

/** p2c, no slow start, no limits. */
export function clusterOptions(clock: Clock, random: Random): ClusterOptions {
  return {
    host: 'orders.shop.local',
    portOf: (endpoint) => endpoint.port ?? 80,
    fallback: undefined,
    balancer: p2c({ random }),
    outlier: DEFAULT_OUTLIER,
    slowStartMs: 0,
    maxPending: Number.POSITIVE_INFINITY,
    subset: undefined,
    callerLocality: undefined,
    clock,
    random,
    onDeparted: () => undefined,
  }
}

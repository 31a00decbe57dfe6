import { clusterOptions } from '../../simulation/cluster-options.ts'
import { Cluster, type ClusterOptions } from '../../src/cluster/cluster.ts'
import type { Upstream } from '../../src/cluster/upstream.ts'
import { SnapshotCache } from '../../src/discovery/cache.ts'
import type { ServiceView } from '../../src/discovery/view/service-view.ts'
import { parseServiceName } from '../../src/discovery/service-name.ts'
import type { Outcome } from '../../src/core/outcome.ts'
import { manualClock, type ManualClock } from '../../src/testing/fakes/manual-clock.ts'
import {
  scriptedResolver,
  type ScriptedAnswer,
  type ScriptedResolver,
} from '../../src/testing/fakes/scripted-resolver.ts'
import { seededRandom } from '../../src/testing/fakes/seeded-random.ts'

export { clusterOptions }
export { LOAD_BALANCER as FALLBACK } from '../../simulation/load-balancer.ts'

export interface TestCluster {
  readonly clock: ManualClock
  readonly resolver: ScriptedResolver
  readonly view: ServiceView
  readonly cluster: Cluster
  readonly departed: Upstream[]
}

/** A cluster on virtual time, over a scripted resolver, with its first snapshot in. */
export async function testCluster(
  answer: ScriptedAnswer,
  options: Partial<ClusterOptions> = {},
): Promise<TestCluster> {
  const clock = manualClock()
  const random = seededRandom(1)
  const resolver = scriptedResolver(clock, answer)
  const view = new SnapshotCache({ resolver, clock, random }).view(
    parseServiceName('orders.shop.local', ['shop.local']),
  )
  const departed: Upstream[] = []
  const onDeparted = (upstream: Upstream): void => void departed.push(upstream)
  const cluster = new Cluster(view, { ...clusterOptions(clock, random), onDeparted, ...options })
  await cluster.view.whenUsable()
  cluster.reconcileIfChanged(clock.now())
  return { clock, resolver, view, cluster, departed }
}

export function hint(now: number): { now: number; key: undefined } {
  return { now, key: undefined }
}

export function refused(code = 'ECONNREFUSED'): Outcome {
  return { kind: 'connect-error', error: Object.assign(new Error(`connect ${code}`), { code }) }
}

export function answered(status = 200, latencyMs = 5): Outcome & { kind: 'response' } {
  return { kind: 'response', status, latencyMs, retryAfterMs: undefined }
}

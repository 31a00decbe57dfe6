import type { HttpInstanceSummary } from '@aws-sdk/client-servicediscovery'
import { p2c } from '../../src/balancer/p2c.ts'
import { Cluster } from '../../src/cluster/cluster.ts'
import { systemRandom, type Clock } from '../../src/core/clock.ts'
import { endpointsOf } from '../../src/discovery/cloud-map/endpoint.ts'
import type { Endpoint, Snapshot } from '../../src/discovery/endpoint.ts'
import { parseServiceName, type ServiceName } from '../../src/discovery/service-name.ts'
import type { ServiceView } from '../../src/discovery/view/service-view.ts'

export const HOST = 'orders.shop.local'
export const SERVICE: ServiceName = parseServiceName(HOST, ['shop.local'])

/**
 * The Cloud Map API's answer for `count` tasks that ECS registered. It goes through JSON, so that each string is a
 * separate object, as it is when it comes over the wire.
 * @param generation each generation is a different set of tasks
 */
export function apiEndpoints(count: number, generation = 0): readonly Endpoint[] {
  const wire = JSON.stringify(Array.from({ length: count }, (_, index) => instance(index, generation)))
  return endpointsOf(HOST, JSON.parse(wire) as HttpInstanceSummary[], 'ipv4')
}

/** Unique for 65,536 tasks in each of 200 generations. */
export function addressOf(index: number, generation: number): string {
  return `10.${generation}.${index >> 8}.${index & 255}`
}

function instance(index: number, generation: number): HttpInstanceSummary {
  const id = `${generation}${index}`.padStart(32, '5f0c2a9b7d1e4c38a6b90d2f1e7c8a44')
  return {
    InstanceId: id,
    Attributes: {
      AWS_INSTANCE_IPV4: addressOf(index, generation),
      AWS_INSTANCE_PORT: '8080',
      AVAILABILITY_ZONE: `eu-west-1${'abc'.charAt(index % 3)}`,
      REGION: 'eu-west-1',
      ECS_CLUSTER_NAME: 'shop',
      ECS_SERVICE_NAME: 'orders',
      ECS_TASK_DEFINITION_FAMILY: 'orders',
    },
  }
}

/** A complete answer. */
export function snapshotOf(endpoints: readonly Endpoint[]): Snapshot {
  return {
    service: SERVICE,
    endpoints,
    complete: true,
    expiresAt: 10_000,
    source: 'benchmark',
    revision: undefined,
  }
}

export function clusterOver(view: ServiceView, clock: Clock): Cluster {
  return new Cluster(view, {
    host: HOST,
    portOf: (endpoint) => endpoint.port ?? 80,
    fallback: undefined,
    balancer: p2c(),
    clock,
    random: systemRandom,
    outlier: undefined,
    slowStartMs: 0,
    maxPending: Number.POSITIVE_INFINITY,
    subset: undefined,
    callerLocality: undefined,
    onDeparted: () => undefined,
  })
}

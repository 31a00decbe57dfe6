/** Heap per endpoint, in bytes. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { manualClock } from 'onehop/testing'
import { systemRandom } from '../../src/core/clock.ts'
import { taskEndpoint, type Endpoint } from '../../src/discovery/endpoint.ts'
import { ServiceView } from '../../src/discovery/view/service-view.ts'
import { addressOf, apiEndpoints, clusterOver, SERVICE, snapshotOf } from './endpoints.ts'
import type { Effort, Report, Row } from './report.ts'
import { median } from './statistics.ts'

const SIZES = [1_000, 10_000]

const SOURCES: Readonly<Record<string, (count: number, generation: number) => readonly Endpoint[]>> = {
  'dns (address)': dnsEndpoints,
  'api (port, zone, id, 7 attributes)': apiEndpoints,
}

/** Bytes per endpoint; each value includes the previous ones. */
interface Taken {
  readonly snapshot: number
  readonly view: number
  readonly cluster: number
}

export async function memory({ quick }: Effort): Promise<Report> {
  const collect = garbageCollector()
  const sizes = quick ? SIZES.slice(0, 1) : SIZES
  const cases = sizes.flatMap((size) =>
    Object.entries(SOURCES).map(([source, endpoints]) => ({ size, source, endpoints })),
  )
  const rounds = cases.map(() => [] as Taken[])
  const counted = quick ? 1 : 7
  for (let round = 0; round <= counted; round++) {
    for (const [index, { size, endpoints }] of cases.entries()) {
      // A new generation each round, so that no string is shared with an earlier round.
      const taken = await weigh(() => endpoints(size, round), size, collect)
      if (round > 0) rounds[index]?.push(taken)
    }
  }
  return {
    name: 'memory',
    title: '3. Memory: bytes of heap per endpoint',
    columns: {
      endpoints: 'endpoints',
      source: 'source',
      snapshot: 'snapshot',
      view: '+ view',
      cluster: '+ upstreams',
      lowest: 'lowest',
      highest: 'highest',
    },
    rows: cases.map(({ size, source }, index) => rowOf(size, source, rounds[index] ?? [])),
    notes: [
      'snapshot: the endpoints alone. + view: also what the view keeps to merge samples. + upstreams: also the state of each upstream in one cluster, without pools and sockets. Each further origin of the service has one more cluster.',
      `heapUsed after full garbage collections, median of ${counted} rounds. lowest and highest: of the last column.`,
    ],
  }
}

async function weigh(make: () => readonly Endpoint[], count: number, collect: () => number): Promise<Taken> {
  const before = collect()
  const endpoints = make()
  const withSnapshot = collect()
  const clock = manualClock()
  const snapshot = snapshotOf(endpoints)
  const view = new ServiceView(SERVICE, {
    resolver: { resolve: async () => snapshot },
    clock,
    random: systemRandom,
  })
  await view.whenUsable()
  const withView = collect()
  const cluster = clusterOver(view, clock)
  cluster.reconcileIfChanged(0)
  const withCluster = collect()
  // Read after the last collection, so that everything is alive until then.
  if (cluster.tasks.length !== count || view.snapshot?.endpoints.length !== endpoints.length)
    throw new Error('the cluster does not have the endpoints')
  view.close()
  return {
    snapshot: (withSnapshot - before) / count,
    view: (withView - before) / count,
    cluster: (withCluster - before) / count,
  }
}

/** As from a message: bytes become a string that shares no memory with others. */
function dnsEndpoints(count: number, generation: number): readonly Endpoint[] {
  return Array.from({ length: count }, (_, index) =>
    taskEndpoint(Buffer.from(addressOf(index, generation)).toString('latin1')),
  )
}

/** Collects garbage and returns what is left. */
function garbageCollector(): () => number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  return () => {
    // The second pass frees what the finalizers of the first pass held.
    collect()
    collect()
    return process.memoryUsage().heapUsed
  }
}

function rowOf(size: number, source: string, rounds: readonly Taken[]): Row {
  const clusters = rounds.map(({ cluster }) => cluster)
  return {
    endpoints: size,
    source,
    snapshot: median(rounds.map(({ snapshot }) => snapshot)),
    view: median(rounds.map(({ view }) => view)),
    cluster: median(clusters),
    lowest: Math.min(...clusters),
    highest: Math.max(...clusters),
  }
}

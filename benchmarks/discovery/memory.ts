/** How many bytes of heap an endpoint takes. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { manualClock } from 'onehop/testing'
import { systemRandom } from '../../src/core/clock.ts'
import { taskEndpoint, type Endpoint } from '../../src/discovery/endpoint.ts'
import { ServiceView } from '../../src/discovery/service-view.ts'
import { addressOf, apiEndpoints, clusterOver, SERVICE } from './endpoints.ts'
import type { Effort, Report, Row } from './report.ts'
import { median } from './statistics.ts'

const SIZES = [1_000, 10_000]

const SOURCES: Readonly<Record<string, (count: number, generation: number) => readonly Endpoint[]>> = {
  'dns (address)': dnsEndpoints,
  'api (port, zone, id, 7 attributes)': apiEndpoints,
}

/** Bytes per endpoint, each with what is before it. */
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
      // Another generation each round: no string may be one that is there already.
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
      'snapshot: the endpoints alone. + view: and what the view remembers of them, in order to put samples together. + upstreams: and the state of each in one cluster, without pools and sockets; one more cluster for each further origin of the service.',
      `heapUsed after full garbage collections, median of ${counted} rounds; lowest and highest are of the last column.`,
    ],
  }
}

async function weigh(make: () => readonly Endpoint[], count: number, collect: () => number): Promise<Taken> {
  const before = collect()
  const endpoints = make()
  const withSnapshot = collect()
  const clock = manualClock()
  const snapshot = {
    service: SERVICE,
    endpoints,
    complete: true,
    expiresAt: 10_000,
    source: 'benchmark',
    revision: undefined,
  }
  const view = new ServiceView(SERVICE, {
    resolver: { resolve: async () => snapshot },
    clock,
    random: systemRandom,
  })
  await view.whenUsable()
  const withView = collect()
  const cluster = clusterOver(view, clock)
  cluster.isCurrent(0)
  const withCluster = collect()
  // Read after the last collection, so that all of it lives until then.
  if (cluster.tasks.length !== count || view.snapshot?.endpoints.length !== endpoints.length)
    throw new Error('the endpoints were not taken in')
  view.close()
  return {
    snapshot: (withSnapshot - before) / count,
    view: (withView - before) / count,
    cluster: (withCluster - before) / count,
  }
}

/** As out of a message: bytes become a string that shares nothing with others. */
function dnsEndpoints(count: number, generation: number): readonly Endpoint[] {
  return Array.from({ length: count }, (_, index) =>
    taskEndpoint(Buffer.from(addressOf(index, generation)).toString('latin1')),
  )
}

/** Collects and tells what is left. */
function garbageCollector(): () => number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  return () => {
    // What is held by what the first pass finalizes goes with the second.
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

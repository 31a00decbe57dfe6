import { expect, test } from 'vitest'
import { Cluster } from '../../../src/cluster/cluster.ts'
import type { Upstream } from '../../../src/cluster/upstream.ts'
import { SnapshotCache } from '../../../src/discovery/cache.ts'
import { taskEndpoint } from '../../../src/discovery/endpoint.ts'
import type { Resolver } from '../../../src/discovery/resolver.ts'
import { parseServiceName } from '../../../src/discovery/service-name.ts'
import { manualClock } from '../../../src/testing/fakes/manual-clock.ts'
import { seededRandom } from '../../../src/testing/fakes/seeded-random.ts'
import { answered, clusterOptions, hint, refused } from '../../support/clusters.ts'

const HOST = 'orders.shop.local'
const TTL_MS = 10_000

/** 20 calls a second to a service of which discovery names 8 tasks at random, as Route 53 does. */
function sampled(
  tasks: number,
  seed: number,
): {
  readonly alive: Set<string>
  readonly departed: string[]
  known(): readonly string[]
  run(ttls: number): Promise<void>
} {
  const clock = manualClock()
  const random = seededRandom(seed)
  const alive = new Set(Array.from({ length: tasks }, (_, index) => `10.0.0.${index + 1}`))
  const resolver: Resolver = {
    resolve: (service) =>
      Promise.resolve({
        service,
        endpoints: [...alive]
          .map((address) => ({ address, lot: random.next() }))
          .toSorted((a, b) => a.lot - b.lot)
          .slice(0, 8)
          .map(({ address }) => taskEndpoint(address)),
        complete: false,
        expiresAt: clock.now() + TTL_MS,
        source: 'dns',
        revision: undefined,
      }),
  }
  const view = new SnapshotCache({ resolver, clock, random }).view(parseServiceName(HOST, ['shop.local']))
  const departed: string[] = []
  const cluster = new Cluster(view, {
    ...clusterOptions(clock, random),
    outlier: undefined,
    onDeparted: ({ endpoint }: Upstream) => departed.push(endpoint.address),
  })
  const call = async (): Promise<void> => {
    if (!cluster.reconcileIfChanged(clock.now())) {
      await cluster.view.whenUsable()
      cluster.reconcileIfChanged(clock.now())
    }
    const upstream = cluster.pick(hint(clock.now()), [], false)
    if (upstream === undefined) throw new Error('nothing to pick')
    cluster.report(upstream, alive.has(upstream.endpoint.address) ? answered() : refused(), clock.now())
  }
  return {
    alive,
    departed,
    known: () => cluster.tasks.map(({ endpoint }) => endpoint.address),
    async run(ttls) {
      for (let i = 0; i < ttls * 200; i++) {
        await call()
        await clock.advance(TTL_MS / 200)
      }
    },
  }
}

test.each([1, 2, 3, 4, 5])(
  '40 tasks behind 8-record answers: at least 39 are known after 25 TTLs, and no pool of one was closed (seed %i)',
  async (seed) => {
    const { run, known, departed } = sampled(40, seed)
    await run(25)
    expect(known().length).toBeGreaterThanOrEqual(39)
    expect(departed).toEqual([])
  },
)

test.each([1, 2, 3, 4, 5])(
  'tasks that left are dropped within 3 TTLs, and only those (seed %i)',
  async (seed) => {
    const { run, known, departed, alive } = sampled(40, seed)
    await run(25)
    const left = [...alive].slice(0, 10)
    for (const address of left) alive.delete(address)
    await run(3.1)
    expect(known().filter((address) => left.includes(address))).toEqual([])
    expect(departed.toSorted()).toEqual(left.toSorted())
  },
)

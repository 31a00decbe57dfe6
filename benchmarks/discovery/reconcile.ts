/** What it takes a client to take in a new answer of its source. */
import { manualClock, seededRandom } from 'onehop/testing'
import { systemRandom } from '../../src/core/clock.ts'
import type { Endpoint, Snapshot } from '../../src/discovery/endpoint.ts'
import type { Resolver } from '../../src/discovery/resolver.ts'
import { ServiceView } from '../../src/discovery/service-view.ts'
import { apiEndpoints, clusterOver, SERVICE } from './endpoints.ts'
import type { Effort, Report, Row } from './report.ts'
import { median } from './statistics.ts'

const SIZES = [10, 100, 1_000]
const RANDOM = seededRandom(1)

/** Two sets of endpoints, that a source tells in turn. */
type Sets = readonly [readonly Endpoint[], readonly Endpoint[]]

const CHANGES: Readonly<Record<string, (count: number) => Sets>> = {
  'the same, in another order': (count) => [apiEndpoints(count), shuffled(apiEndpoints(count))],
  'one replaced': (count) => [apiEndpoints(count), withLast(apiEndpoints(count), apiEndpoints(count, 1))],
  'all replaced': (count) => [apiEndpoints(count), apiEndpoints(count, 1)],
}

/** µs of one answer: until the view has it, and until the cluster has. */
interface Taken {
  readonly viewUs: number
  readonly clusterUs: number
}

export async function reconcile({ quick }: Effort): Promise<Report> {
  const cases = SIZES.flatMap((size) =>
    Object.entries(CHANGES).map(([change, setsOf]) => ({ size, change, sets: setsOf(size) })),
  )
  const plan = quick ? { rounds: 2, answers: 20 } : { rounds: 11, answers: 60 }
  const rounds = cases.map(() => [] as Taken[])
  for (let round = 0; round <= plan.rounds; round++) {
    for (const [index, { sets }] of cases.entries()) {
      const taken = await takeIn(sets, plan.answers)
      if (round > 0) rounds[index]?.push(taken)
    }
  }
  return {
    name: 'reconcile',
    title: '2. Taking in an answer of the source: µs per answer',
    columns: {
      endpoints: 'endpoints',
      change: 'change',
      viewUs: 'view µs',
      clusterUs: 'cluster µs',
      totalUs: 'both µs',
      lowestUs: 'lowest',
      highestUs: 'highest',
      nsPerEndpoint: 'ns/endpoint',
    },
    rows: cases.map(({ size, change }, index) => rowOf(size, change, rounds[index] ?? [])),
    notes: [
      'view: checks the answer and compares it with the last one, and has some µs whatever the size (a promise, a signal and a timer for the lookup). The source answers at once, with objects that are not those of its last answer, as from the wire.',
      'cluster: cluster.isCurrent(now), in which the first call after a change pays for it: upstreams that stay keep their state, others are made or leave (none has connections here).',
      'The same set in another order is no change for the cluster: the view goes on with the array it has. Two sets that have nothing in common are told apart at the first endpoint, others at the last.',
      `Medians of ${plan.rounds} rounds of ${plan.answers} answers, each case in turn; lowest and highest of the rounds. A client does this once per TTL or poll and service.`,
    ],
  }
}

async function takeIn(sets: Sets, answers: number): Promise<Taken> {
  const clock = manualClock()
  let told = sets[0]
  const resolver: Resolver = { resolve: async () => snapshotOf(told) }
  const view = new ServiceView(SERVICE, { resolver, clock, random: systemRandom })
  const cluster = clusterOver(view, clock)
  const viewUs: number[] = []
  const clusterUs: number[] = []
  for (let answer = 0; answer <= answers; answer++) {
    told = answer % 2 === 0 ? sets[0] : sets[1]
    const askedAt = performance.now()
    await view.whenUsable()
    const toldAt = performance.now()
    const isCurrent = cluster.isCurrent(0)
    const doneAt = performance.now()
    if (!isCurrent || cluster.tasks.length !== told.length) throw new Error('the answer was not taken in')
    // The first one fills an empty cluster.
    if (answer === 0) continue
    viewUs.push((toldAt - askedAt) * 1_000)
    clusterUs.push((doneAt - toldAt) * 1_000)
  }
  view.close()
  return { viewUs: median(viewUs), clusterUs: median(clusterUs) }
}

function snapshotOf(endpoints: readonly Endpoint[]): Snapshot {
  return {
    service: SERVICE,
    endpoints,
    complete: true,
    expiresAt: 10_000,
    source: 'benchmark',
    revision: undefined,
  }
}

function rowOf(size: number, change: string, rounds: readonly Taken[]): Row {
  const totals = rounds.map(({ viewUs, clusterUs }) => viewUs + clusterUs)
  return {
    endpoints: size,
    change,
    viewUs: median(rounds.map(({ viewUs }) => viewUs)),
    clusterUs: median(rounds.map(({ clusterUs }) => clusterUs)),
    totalUs: median(totals),
    lowestUs: Math.min(...totals),
    highestUs: Math.max(...totals),
    nsPerEndpoint: (median(totals) * 1_000) / size,
  }
}

function shuffled(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  return endpoints
    .map((endpoint) => ({ endpoint, place: RANDOM.next() }))
    .toSorted((one, other) => one.place - other.place)
    .map(({ endpoint }) => endpoint)
}

function withLast(endpoints: readonly Endpoint[], others: readonly Endpoint[]): readonly Endpoint[] {
  return [...endpoints.slice(0, -1), ...others.slice(-1)]
}

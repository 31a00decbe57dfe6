/** The cost of a new discovery answer for a client. */
import { manualClock, seededRandom } from 'onehop/testing'
import { systemRandom } from '../../src/core/clock.ts'
import type { Endpoint } from '../../src/discovery/endpoint.ts'
import type { Resolver } from '../../src/discovery/resolver.ts'
import { ServiceView } from '../../src/discovery/view/service-view.ts'
import { apiEndpoints, clusterOver, SERVICE, snapshotOf } from './endpoints.ts'
import type { Effort, Report, Row } from './report.ts'
import { median } from './statistics.ts'

const SIZES = [10, 100, 1_000]
const RANDOM = seededRandom(1)

/** Two sets of endpoints that a source returns in turn. */
type Sets = readonly [readonly Endpoint[], readonly Endpoint[]]

const CHANGES: Readonly<Record<string, (count: number) => Sets>> = {
  'the same, in another order': (count) => [apiEndpoints(count), shuffled(apiEndpoints(count))],
  'one replaced': (count) => [apiEndpoints(count), withLast(apiEndpoints(count), apiEndpoints(count, 1))],
  'all replaced': (count) => [apiEndpoints(count), apiEndpoints(count, 1)],
}

/** µs per answer: until the view has it, and until the cluster has it. */
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
    title: '2. A new discovery answer: µs per answer',
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
      'view: checks the answer and compares it with the last one. It costs some µs at any size (a promise, a signal and a timer for the lookup). The source answers at once, with new objects, as from the wire.',
      'cluster: cluster.reconcileIfChanged(now). The first call after a change pays for it: upstreams that stay keep their state, others are created or removed (none has connections here).',
      'The same set in another order does not change the cluster: the view keeps its array. Two sets without common endpoints differ at the first comparison, others only at the last.',
      `Medians of ${plan.rounds} rounds of ${plan.answers} answers, each case in turn. lowest, highest: of the rounds. A client does this once per service and TTL or poll.`,
    ],
  }
}

async function takeIn(sets: Sets, answers: number): Promise<Taken> {
  const clock = manualClock()
  let endpoints = sets[0]
  const resolver: Resolver = { resolve: async () => snapshotOf(endpoints) }
  const view = new ServiceView(SERVICE, { resolver, clock, random: systemRandom })
  const cluster = clusterOver(view, clock)
  const viewUs: number[] = []
  const clusterUs: number[] = []
  for (let answer = 0; answer <= answers; answer++) {
    endpoints = answer % 2 === 0 ? sets[0] : sets[1]
    const askedAt = performance.now()
    await view.whenUsable()
    const toldAt = performance.now()
    const isCurrent = cluster.reconcileIfChanged(0)
    const doneAt = performance.now()
    if (!isCurrent || cluster.tasks.length !== endpoints.length)
      throw new Error('the cluster does not have the answer')
    // The first answer fills an empty cluster.
    if (answer === 0) continue
    viewUs.push((toldAt - askedAt) * 1_000)
    clusterUs.push((doneAt - toldAt) * 1_000)
  }
  view.close()
  return { viewUs: median(viewUs), clusterUs: median(clusterUs) }
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

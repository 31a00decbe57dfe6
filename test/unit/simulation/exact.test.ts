import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { PICTURES } from '../../../simulation/pictures/pictures.ts'
import { ONEHOP, POLICIES } from '../../../simulation/policies.ts'
import { simulate, type Scenario } from '../../../simulation/run.ts'
import {
  blackHole,
  HANGS,
  RETRY_STORM,
  TEN_TIMES_SLOW,
  TWO_SECONDS_SLOW_HEDGED,
  TWO_TASKS,
  ZONE_LOST,
} from '../../../simulation/scenarios.ts'
import { policy } from '../../support/simulations.ts'

const ROUND_ROBIN = policy('round robin')

test('a simulation has the same result in every run, and another one with another seed', () => {
  for (const each of POLICIES) {
    const once = simulate(TWO_TASKS, each).outcome
    expect(simulate(TWO_TASKS, each).outcome).toEqual(once)
    expect(simulate(TWO_TASKS, each, 2).outcome).not.toEqual(once)
  }
})

test('each call is counted, also those that are pending at the end', () => {
  // Nothing is retried, and round robin sends one call in ten to a task whose queue grows.
  const fromTheStart = { ...TEN_TIMES_SLOW, warmUpSeconds: 0 }
  const { outcome, tasks } = simulate(fromTheStart, ROUND_ROBIN)
  expect(outcome.totals.calls).toBe(sum(tasks.map(({ received }) => received)))
  expect(outcome.totals.attempts).toBe(1)
  const endedInTime = sum(outcome.seconds.map(({ calls }) => calls))
  expect(outcome.totals.calls).toBeGreaterThan(endedInTime)
})

test('no attempt takes longer than the limit to response headers', () => {
  const { outcome } = simulate(TEN_TIMES_SLOW, ROUND_ROBIN)
  expect(outcome.totals.p999).toBeGreaterThanOrEqual(15_000)
  expect(outcome.totals.p999).toBeLessThanOrEqual(15_500)
  expect(outcome.totals.success).toBeLessThan(0.95)
})

test.each([blackHole(2), HANGS, RETRY_STORM, TWO_SECONDS_SLOW_HEDGED, ZONE_LOST])(
  'clients count the attempts that tasks received, and none is pending at the end: $name',
  (scenario) => {
    // The counts of deregistered tasks would be lost.
    const { clients, tasks } = simulate({ ...scenario, ...allStay(scenario) }, ONEHOP)
    const upstreams = clients.flatMap(({ cluster }) => cluster.tasks)
    for (const { endpoint, received } of tasks) {
      const ofTask = upstreams.filter((upstream) => upstream.endpoint.address === endpoint.address)
      expect(sum(ofTask.map(({ requests }) => requests))).toBe(received)
    }
    for (const { pending, waiting } of upstreams)
      expect({ pending, waiting }).toEqual({ pending: 0, waiting: 0 })
  },
)

function allStay({ events }: Scenario): Partial<Scenario> {
  return { events: (world) => events?.({ ...world, register: () => undefined }) }
}

function sum(counts: readonly number[]): number {
  return counts.reduce((one, other) => one + other, 0)
}

test.each(PICTURES.map(({ name, draw }) => ({ name, draw })))(
  'the picture $name of the documentation is what comes out now (npm run simulate -- --pictures docs/pictures)',
  async ({ name, draw }) => {
    const url = new URL(`../../../docs/pictures/${name}.svg`, import.meta.url)
    expect(draw()).toBe(await readFile(url, 'utf8'))
  },
)

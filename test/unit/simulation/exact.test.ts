import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { PICTURES } from '../../../simulation/pictures.ts'
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

test('a simulation is exact from run to run, and differs by its seed', () => {
  for (const each of POLICIES) {
    const once = simulate(TWO_TASKS, each).outcome
    expect(simulate(TWO_TASKS, each).outcome).toEqual(once)
    expect(simulate(TWO_TASKS, each, 2).outcome).not.toEqual(once)
  }
})

test('each call is counted, those that are under way at the end, too', () => {
  // Nothing is retried, and by turns one call in ten goes to a task that falls ever further behind.
  const fromTheStart = { ...TEN_TIMES_SLOW, warmUpSeconds: 0 }
  const { outcome, tasks } = simulate(fromTheStart, ROUND_ROBIN)
  expect(outcome.totals.calls).toBe(sum(tasks.map(({ received }) => received)))
  expect(outcome.totals.attempts).toBe(1)
  const endedInTime = sum(outcome.seconds.map(({ calls }) => calls))
  expect(outcome.totals.calls).toBeGreaterThan(endedInTime)
})

test('no attempt is waited for longer than undici waits for response headers', () => {
  const { outcome } = simulate(TEN_TIMES_SLOW, ROUND_ROBIN)
  expect(outcome.totals.p999).toBeGreaterThanOrEqual(15_000)
  expect(outcome.totals.p999).toBeLessThanOrEqual(15_500)
  expect(outcome.totals.success).toBeLessThan(0.95)
})

test.each([blackHole(2), HANGS, RETRY_STORM, TWO_SECONDS_SLOW_HEDGED, ZONE_LOST])(
  'what clients know of their attempts is what tasks received, and nothing is left under way: $name',
  (scenario) => {
    // Tasks that leave discovery take what clients know of them along.
    const { clients, tasks } = simulate({ ...scenario, ...everybodyStays(scenario) }, ONEHOP)
    const upstreams = clients.flatMap(({ cluster }) => cluster.tasks)
    for (const { endpoint, received } of tasks) {
      const ofTask = upstreams.filter((upstream) => upstream.endpoint.address === endpoint.address)
      expect(sum(ofTask.map(({ requests }) => requests))).toBe(received)
    }
    for (const { pending, waiting } of upstreams)
      expect({ pending, waiting }).toEqual({ pending: 0, waiting: 0 })
  },
)

function everybodyStays({ events }: Scenario): Partial<Scenario> {
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

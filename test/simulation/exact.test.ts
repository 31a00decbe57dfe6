import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { PICTURES } from '../../benchmarks/simulation/pictures.ts'
import { POLICIES } from '../../benchmarks/simulation/policies.ts'
import { simulate } from '../../benchmarks/simulation/run.ts'
import { blackHole, TWO_TASKS } from '../../benchmarks/simulation/scenarios.ts'

test('a simulation is exact from run to run, and differs by its seed', () => {
  for (const policy of POLICIES) {
    const once = simulate(TWO_TASKS, policy).outcome
    expect(simulate(TWO_TASKS, policy).outcome).toEqual(once)
    expect(simulate(TWO_TASKS, policy, 2).outcome).not.toEqual(once)
  }
})

test('each call is counted once, and attempts are neither lost nor made up', () => {
  const { totals, seconds } = simulate(blackHole(2), POLICIES[0] as (typeof POLICIES)[0]).outcome
  const counted = seconds.filter(({ at }) => at > 0).reduce((sum, { calls }) => sum + calls, 0)
  expect(counted).toBe(totals.calls)
})

test.each(PICTURES.map(({ name, draw }) => ({ name, draw })))(
  'the picture $name of the documentation is what comes out now (npm run simulate -- --pictures docs/pictures)',
  async ({ name, draw }) => {
    const url = new URL(`../../docs/pictures/${name}.svg`, import.meta.url)
    expect(draw()).toBe(await readFile(url, 'utf8'))
  },
)

/**
 * Prints what fails under each library, with onehop and without, over http and https and on each version of Node:
 * `npm run bench:doors -- --rounds 1 --nodes 22,24,26`.
 */
import { parseArgs } from 'node:util'
import { installRecipes } from '../install.ts'
import { load } from '../packages/load.ts'
import type { Library } from '../recipes/library.ts'
import { MAJORS, nodeOf } from '../../support/processes/nodes.ts'
import { runScenario } from './scenario.ts'
import { errorsOf, tableOf, type Run } from './table.ts'

/** Libraries that share a process: few enough that it is never busy. */
const TOGETHER = 7

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '1' },
    nodes: { type: 'string', default: MAJORS.join() },
  },
})
installRecipes()
const { LIBRARIES } = await load<{ LIBRARIES: readonly Library[] }>('./libraries/index.ts')
const names = LIBRARIES.map(({ name }) => name)
const runs: Run[] = []
let lateMaxMs = 0
function print(done: readonly Run[]): void {
  const calls = done
    .flatMap(({ tallies }) => tallies)
    .reduce((sum, { GET, POST }) => sum + GET.calls + POST.calls, 0)
  console.log(`${tableOf(done, names)}\n\nCalls of each side: ${calls / 2}.`)
  for (const side of ['without', 'onehop'] as const) console.log(`Errors, ${side}: ${errorsOf(done, side)}.`)
  console.log(`A caller was at most ${Math.round(lateMaxMs)} ms late for its timers.`)
}

for (let round = 0; round < Number(values.rounds); round++)
  for (const scheme of ['http', 'https'] as const)
    for (const major of values.nodes.split(','))
      for (let first = 0; first < names.length; first += TOGETHER) {
        const libraries = names.slice(first, first + TOGETHER)
        const node = nodeOf(major)
        const where = `${scheme} ${major}`
        console.error(`${where}: ${libraries.join(', ')}`)
        const scenario = { scheme, node, libraries, everyMs: 100, delayMs: 400, stepMs: 2_000 }
        const result = await runScenario(scenario)
        lateMaxMs = Math.max(lateMaxMs, result.lateMaxMs)
        for (const side of ['without', 'onehop'] as const) runs.push({ side, where, tallies: result[side] })
      }
print(runs)

/**
 * Compares balancers on simulated fleets: `npm run simulate`, or with the names of some scenarios. `-- --json`: for
 * other programs. `-- --pictures docs/pictures`: also draws the pictures. The numbers are the same in every run.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { table, type Row } from '../discovery/report.ts'
import type { Totals } from '../../simulation/measures.ts'
import { PICTURES } from '../../simulation/pictures/pictures.ts'
import { POLICIES } from '../../simulation/policies.ts'
import { simulate, type Scenario } from '../../simulation/run.ts'
import { SCENARIOS } from '../../simulation/scenarios.ts'

const COLUMNS = {
  policy: 'policy',
  success: 'success %',
  p50: 'p50 ms',
  p99: 'p99 ms',
  p999: 'p99.9 ms',
  attempts: 'attempts/call',
  least: 'least share',
  most: 'most share',
  deviation: 'deviation %',
  local: 'local %',
} as const

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: 'boolean', default: false }, pictures: { type: 'string' } },
})
for (const name of positionals)
  if (!SCENARIOS.some((scenario) => scenario.name === name))
    throw new Error(
      `${name}: unknown scenario; allowed: ${SCENARIOS.map((scenario) => scenario.name).join(', ')}`,
    )

const reports = []
for (const scenario of SCENARIOS) {
  if (positionals.length > 0 && !positionals.includes(scenario.name)) continue
  const rows = POLICIES.map((policy) =>
    rowOf(policy.name, scenario, simulate(scenario, policy).outcome.totals),
  )
  const report = {
    name: scenario.name,
    title: `${scenario.name}: ${scenario.title}`,
    columns: COLUMNS,
    rows,
    notes: [],
  }
  reports.push(report)
  if (!values.json) console.log(`${table(report)}\n`)
}
if (values.json) console.log(JSON.stringify(reports))
if (values.pictures !== undefined) {
  await mkdir(values.pictures, { recursive: true })
  for (const picture of PICTURES)
    await writeFile(join(values.pictures, `${picture.name}.svg`), picture.draw())
}

function rowOf(policy: string, scenario: Scenario, totals: Totals): Row {
  const { success, p50, p99, p999, attempts, least, most, deviation, local } = totals
  return {
    policy,
    // Rounded down, so that 99.999 does not become 100.
    success: Math.floor(success * 100_000) / 1_000,
    p50,
    p99,
    p999,
    attempts,
    least,
    most,
    deviation: 100 * deviation,
    local: scenario.clients.every((zone) => zone === undefined) ? null : 100 * local,
  }
}

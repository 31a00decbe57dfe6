/** Runs the parts of a benchmark according to its flags, and prints their results. */
import { parseArgs } from 'node:util'
import { table, type Effort, type Report } from './discovery/report.ts'

/**
 * `--json`: for other programs. `--quick`: only to see that it runs. `--only <part>`: one part.
 * @throws Error for an unknown part
 */
export async function runParts(
  parts: Readonly<Record<string, (effort: Effort) => Promise<Report>>>,
): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean', default: false },
      quick: { type: 'boolean', default: false },
      only: { type: 'string' },
    },
  })
  const { json, quick, only } = values
  if (only !== undefined && !(only in parts))
    throw new Error(`--only ${only}: unknown part; allowed: ${Object.keys(parts).join(', ')}`)

  const startedAt = performance.now()
  const reports: Report[] = []
  for (const [name, part] of Object.entries(parts)) {
    if (only !== undefined && name !== only) continue
    const report = await part({ quick })
    reports.push(report)
    if (!json) console.log(`${table(report)}\n`)
  }
  const seconds = (performance.now() - startedAt) / 1000
  if (json) console.log(JSON.stringify({ node: process.version, quick, seconds, reports }))
  else
    console.log(
      `Node ${process.version}, ${seconds.toFixed(0)} s${quick ? ', too quick for reliable times' : ''}`,
    )
}

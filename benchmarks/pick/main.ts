/**
 * What a pick costs: `npm run bench:pick`, with `-- --json` for other programs, `-- --quick` to see that it runs,
 * `-- --only bytes` for one part. The README beside this folder tells how to read it.
 */
import { parseArgs } from 'node:util'
import { table, type Effort, type Report } from '../discovery/report.ts'
import { bytes } from './bytes.ts'
import { nanoseconds } from './nanoseconds.ts'

const PARTS: Readonly<Record<string, (effort: Effort) => Promise<Report>>> = { ns: nanoseconds, bytes }

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
})
const { json, quick, only } = values
if (only !== undefined && !(only in PARTS))
  throw new Error(`--only ${only}: there are ${Object.keys(PARTS).join(', ')}`)

const startedAt = performance.now()
const reports: Report[] = []
for (const [name, part] of Object.entries(PARTS)) {
  if (only !== undefined && name !== only) continue
  const report = await part({ quick })
  reports.push(report)
  if (!json) console.log(`${table(report)}\n`)
}
const seconds = (performance.now() - startedAt) / 1000
if (json) console.log(JSON.stringify({ node: process.version, quick, seconds, reports }))
else
  console.log(`Node ${process.version}, ${seconds.toFixed(0)} s${quick ? ', too quick to be trusted' : ''}`)

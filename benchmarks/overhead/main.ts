/**
 * What onehop adds to a request: `npm run bench:overhead`, with `-- --json` for other programs, `-- --quick` to see
 * that it runs, `-- --only layer` for one part.
 */
import { parseArgs } from 'node:util'
import { table, type Effort, type Report } from '../discovery/report.ts'
import { layer } from './layer.ts'
import { sockets } from './sockets.ts'

const PARTS: Readonly<Record<string, (effort: Effort) => Promise<Report>>> = { sockets, layer }

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

const reports: Report[] = []
for (const [name, part] of Object.entries(PARTS)) {
  if (only !== undefined && name !== only) continue
  const report = await part({ quick })
  reports.push(report)
  if (!json) console.log(`${table(report)}\n`)
}
if (json) console.log(JSON.stringify({ node: process.version, quick, reports }))

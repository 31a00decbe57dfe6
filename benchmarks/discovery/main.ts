/**
 * What discovery costs: `npm run bench:discovery`, with `-- --json` for other programs, `-- --quick` to see that
 * it runs, `-- --only cached` for one part. The README beside this folder tells how to read it.
 */
import { parseArgs } from 'node:util'
import { cachedResolve } from './cached-resolve.ts'
import { coldBurst } from './cold-burst.ts'
import { memory } from './memory.ts'
import { queriesPerMinute } from './queries-per-minute.ts'
import { queriesPerTtl } from './queries-per-ttl.ts'
import { reconcile } from './reconcile.ts'
import { table, type Effort, type Report } from './report.ts'

const PARTS: Readonly<Record<string, (effort: Effort) => Promise<Report>>> = {
  cached: cachedResolve,
  reconcile,
  memory,
  minute: queriesPerMinute,
  ttl: queriesPerTtl,
  cold: coldBurst,
}

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

/**
 * The cost of discovery: `npm run bench:discovery`. `-- --json`: for other programs. `-- --quick`: only to see that it
 * runs. `-- --only cached`: one part. benchmarks/README.md explains the results.
 */
import { runParts } from '../parts.ts'
import { cachedResolve } from './cached-resolve.ts'
import { coldBurst } from './cold-burst.ts'
import { memory } from './memory.ts'
import { month } from './month.ts'
import { queriesPerMinute } from './queries/queries-per-minute.ts'
import { queriesPerTtl } from './queries/queries-per-ttl.ts'
import { reconcile } from './reconcile.ts'

await runParts({
  cached: cachedResolve,
  reconcile,
  memory,
  minute: queriesPerMinute,
  ttl: queriesPerTtl,
  cold: coldBurst,
  month,
})

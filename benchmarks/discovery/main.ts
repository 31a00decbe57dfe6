/**
 * What discovery costs: `npm run bench:discovery`, with `-- --json` for other programs, `-- --quick` to see that
 * it runs, `-- --only cached` for one part. The README beside this folder tells how to read it.
 */
import { runParts } from '../parts.ts'
import { cachedResolve } from './cached-resolve.ts'
import { coldBurst } from './cold-burst.ts'
import { memory } from './memory.ts'
import { queriesPerMinute } from './queries-per-minute.ts'
import { queriesPerTtl } from './queries-per-ttl.ts'
import { reconcile } from './reconcile.ts'

await runParts({
  cached: cachedResolve,
  reconcile,
  memory,
  minute: queriesPerMinute,
  ttl: queriesPerTtl,
  cold: coldBurst,
})

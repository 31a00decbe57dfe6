/**
 * The cost of a pick: `npm run bench:pick`. `-- --json`: for other programs. `-- --quick`: only to see that it runs.
 * `-- --only bytes`: one part. benchmarks/README.md explains the results.
 */
import { runParts } from '../parts.ts'
import { bytes } from './bytes.ts'
import { nanoseconds } from './nanoseconds.ts'

await runParts({ ns: nanoseconds, bytes })

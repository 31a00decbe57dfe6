/**
 * What a pick costs: `npm run bench:pick`, with `-- --json` for other programs, `-- --quick` to see that it runs,
 * `-- --only bytes` for one part. The README beside this folder tells how to read it.
 */
import { runParts } from '../parts.ts'
import { bytes } from './bytes.ts'
import { nanoseconds } from './nanoseconds.ts'

await runParts({ ns: nanoseconds, bytes })

/**
 * The cost of an import, and of a start of the command line: `npm run bench:import`. `-- --json`: for other programs. `-- --quick`: only to see that it runs.
 * It measures `dist`, which `npm run build` makes.
 */
import { runParts } from '../parts.ts'
import { imports } from './imports.ts'
import { starts } from './starts.ts'

await runParts({ imports, starts })

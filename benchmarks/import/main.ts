/**
 * The cost of an import: `npm run bench:import`. `-- --json`: for other programs. `-- --quick`: only to see that it runs.
 * It measures `dist`, which `npm run build` makes.
 */
import { runParts } from '../parts.ts'
import { imports } from './imports.ts'

await runParts({ imports })

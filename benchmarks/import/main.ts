/**
 * What an import costs: `npm run bench:import`, with `-- --json` for other programs, `-- --quick` to see that it runs. It
 * measures `dist`, which `npm run build` makes.
 */
import { runParts } from '../parts.ts'
import { imports } from './imports.ts'

await runParts({ imports })

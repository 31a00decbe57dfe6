/**
 * What onehop adds to a request: `npm run bench:overhead`, with `-- --json` for other programs, `-- --quick` to see
 * that it runs, `-- --only layer` for one part.
 */
import { runParts } from '../parts.ts'
import { layer } from './layer.ts'
import { sockets } from './sockets.ts'

await runParts({ sockets, layer })

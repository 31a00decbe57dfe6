/**
 * What onehop adds to a request: `npm run bench:overhead`. `-- --json`: for other programs. `-- --quick`: only to see
 * that it runs. `-- --only layer`: one part.
 */
import { runParts } from '../parts.ts'
import { layer } from './layer.ts'
import { sockets } from './sockets.ts'

await runParts({ sockets, layer })

/**
 * Ways to leave, side by side: `npm run bench:lifecycle` prints the table of docs/ecs/shutdown.md. Four tasks are replaced
 * one by one; ECS registered them, and deregisters each 3 s after SIGTERM; the TTL is 2 s.
 */
import type { ClientName } from './clients/clients.ts'
import { deploy, TIMES, type Outcome } from './deployment.ts'
import installPeers from './install.ts'
import { failedOf } from './load.ts'
import type { Way } from './task/leave.ts'

const CLIENTS: readonly ClientName[] = [
  'undici Pool',
  'http.Agent, kept',
  'a connection per call',
  'onehop, DNS',
]
const ROWS: readonly (readonly [Way, note: string])[] = [
  ['nothing', 'no handler'],
  ['server.close()', "`server.close()`, AWS's sample"],
  ['close-with-grace', 'close-with-grace 2.5, `server.close()` in it'],
  ['http-terminator', 'http-terminator 3.2'],
  ['lightship', 'lightship 9.0, `server.close()` in its handler'],
  ['terminus', '@godaddy/terminus 4.12, `beforeShutdown` of 5 s'],
  ['fastify.close()', '`fastify.close()`, Fastify 5'],
  ['onehop', '**`gracefulShutdown()`**'],
]

installPeers()
console.log(`| at SIGTERM | ${CLIENTS.join(' | ')} | the tasks end |`)
console.log(`|---|${'---|'.repeat(CLIENTS.length + 1)}`)
for (const [way, note] of ROWS) {
  const kind = way === 'fastify.close()' ? 'fastify' : 'http'
  const times = { ...TIMES.ecs, quietMs: 500, finishMs: 2_000 }
  const outcome = await deploy({ kind, way, times, clients: CLIENTS, stopTimeoutMs: 12_000 })
  console.log(
    `| ${note} | ${CLIENTS.map((client) => failures(outcome, client)).join(' | ')} | ${ends(outcome)} |`,
  )
}

function failures({ tallies }: Outcome, client: ClientName): string {
  const tally = tallies.get(client)
  return tally === undefined ? '' : String(failedOf(tally))
}

/** `after 5.6 s`, `SIGKILL, 2 of 4`. */
function ends({ exits }: Outcome): string {
  const killed = exits.filter(({ signal }) => signal === 'SIGKILL').length
  const slowest = Math.max(...exits.map(({ tookMs }) => tookMs ?? 0))
  const after = `after ${(slowest / 1_000).toFixed(1)} s`
  return killed === 0 ? after : `SIGKILL, ${killed} of ${exits.length}`
}

/**
 * Runs worlds one after the other, and reports each to its parent, or prints it. In a process of its own, because an event
 * loop that spins can report nothing.
 *
 *     node --conditions=onehop:source test/fuzz/calls/process.ts h2 20260101 5
 */
import { runWorld, type Verdict } from './world.ts'

const [transport = 'http', first = '1', count = '1'] = process.argv.slice(2)

const tell = (verdict: Verdict): void => {
  if (process.send !== undefined) process.send(verdict)
  else console.log(verdict)
}

for (let seed = Number(first); seed < Number(first) + Number(count); seed++)
  tell(await runWorld(transport, seed))
// Where a TLS server's connections were reset in their handshakes, Node may wait for their handles for ever at its end.
if (process.send === undefined) process.exit()

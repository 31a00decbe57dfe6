/**
 * Runs worlds one after the other, and tells its parent, or whoever looks on, of each. In a process of its own, because a
 * loop of events that spins can tell nothing, and because what is left open keeps a process from ending.
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
if (process.connected) process.disconnect()

/** Prints the bytes per pick of one balancer. bytes.ts starts it as a separate process. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { systemRandom } from '../../src/core/clock.ts'
import { median } from '../discovery/statistics.ts'
import { CONTROL, picksOf, pooledRandom, SUBJECTS, UPSTREAMS_OF_BYTES } from './subjects.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const [, , name, source, picks, batches] = process.argv
const subject = [...SUBJECTS, CONTROL].find((one) => one.name === name)
if (subject === undefined) throw new Error(`unknown balancer: ${name}`)
const balancer = subject.balancer(source === 'system' ? systemRandom : pooledRandom())
const run = picksOf(balancer, UPSTREAMS_OF_BYTES, subject.weighted)

// Long enough for V8 to optimize: code that is not optimized puts its numbers on the heap.
for (let i = 0; i < 6; i++) run(Number(picks))
const taken = Array.from({ length: Number(batches) }, () => {
  collect()
  // A collection drops compiled code that V8 considers unused.
  run(1_000)
  const before = process.memoryUsage().heapUsed
  run(Number(picks))
  return process.memoryUsage().heapUsed - before
})
console.log(median(taken) / Number(picks))

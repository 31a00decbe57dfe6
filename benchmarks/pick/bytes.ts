/** Heap that a pick allocates, in bytes. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Effort, Report, Row } from '../discovery/report.ts'
import { CONTROL, SUBJECTS, UPSTREAMS_OF_BYTES } from './subjects.ts'

const BATCHES = 20
/** The allocations of a batch have to fit in the young generation, so that nothing is collected in between. */
const PICKS = 50_000
const MEASURE = new URL('bytes-of.ts', import.meta.url).pathname

/**
 * Each balancer runs in a separate process: what V8 puts on the heap depends on everything that ran before. A real
 * process has one balancer and one source of randomness, too.
 */
export async function bytes({ quick }: Effort): Promise<Report> {
  const picks = quick ? 2_000 : PICKS
  const measure = async (name: string, source: 'pooled' | 'system'): Promise<number> => {
    const args = [...process.execArgv, MEASURE, name, source, String(picks), String(BATCHES)]
    const { stdout } = await promisify(execFile)(process.execPath, args)
    return rounded(Number(stdout))
  }
  const rows: Row[] = []
  for (const { name } of [...SUBJECTS, CONTROL]) {
    const [pooled, system] = await Promise.all([measure(name, 'pooled'), measure(name, 'system')])
    rows.push({ balancer: name, pooled, system })
  }
  return {
    name: 'bytes',
    title: `2. Bytes allocated per pick, ${UPSTREAMS_OF_BYTES} upstreams`,
    columns: { balancer: 'balancer', pooled: 'by the balancer', system: 'with Math.random()' },
    rows,
    notes: [
      `heapUsed before and after ${picks.toLocaleString('en')} picks, after a garbage collection. Median of ${BATCHES} such batches (${(BATCHES * picks).toLocaleString('en')} picks), each row in separate processes. Less than one byte is the cost of reading heapUsed and shown as 0.`,
      'by the balancer: with random numbers from a typed array. Math.random() puts each number on the heap (16 bytes), so the difference shows how many a pick draws.',
      'For each new set of candidates, random, leastRequest and roundRobin store one number, and consistentHash 4 bytes per candidate. A retry has a new set, too. The table does not include this.',
    ],
  }
}

function rounded(value: number): number {
  return Math.abs(value) < 1 ? 0 : Math.round(10 * value) / 10
}

/** Bytes of heap that a pick allocates. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Effort, Report, Row } from '../discovery/report.ts'
import { CONTROL, SUBJECTS, UPSTREAMS_OF_BYTES } from './subjects.ts'

const BATCHES = 20
/** What a batch allocates has to fit in the young generation, so that nothing is collected meanwhile. */
const PICKS = 50_000
const MEASURE = new URL('bytes-of.ts', import.meta.url).pathname

/**
 * Each in a process of its own: what is put on the heap depends on what V8 makes of the code, which depends on all
 * that has run before. A process that calls its services has one balancer and one source of chance, too.
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
      `heapUsed before and after ${picks.toLocaleString('en')} picks, after a garbage collection: the median of ${BATCHES} such batches (${(BATCHES * picks).toLocaleString('en')} picks), each row in processes of its own. What is below one byte is what reading heapUsed takes, and told as 0.`,
      'by the balancer: with random numbers out of a typed array. Math.random() puts each number on the heap, 16 bytes: how many a pick draws is seen in the difference.',
      'For a set of candidates that it has not seen, random, leastRequest and roundRobin note one number, and consistentHash 4 bytes for each: also for what is left to retry with. This is not in the table.',
    ],
  }
}

function rounded(value: number): number {
  return Math.abs(value) < 1 ? 0 : Math.round(10 * value) / 10
}

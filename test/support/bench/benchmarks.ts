import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Report } from '../../../benchmarks/discovery/report.ts'

// The Node that `npm run bench:*` uses, whatever Node runs the tests.
const NODE = new URL('../../../node_modules/.bin/node', import.meta.url).pathname

/** Runs a benchmark just long enough to see that it works. */
export async function runBenchmark(name: string): Promise<readonly Report[]> {
  const main = new URL(`../../../benchmarks/${name}/main.ts`, import.meta.url).pathname
  const flags = ['--conditions=onehop:source', main, '--quick', '--json']
  const { stdout } = await promisify(execFile)(NODE, flags, { timeout: 170_000 })
  return (JSON.parse(stdout) as { reports: readonly Report[] }).reports
}

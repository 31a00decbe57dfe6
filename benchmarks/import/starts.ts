/**
 * Starts of the command line: each is a process of its own, and is compared with `node -e 0` within each round. The help must
 * not wait for the library: at most 1.5 times as long.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { median } from '../discovery/statistics.ts'
import type { Effort, Report } from '../discovery/report.ts'

const root = new URL('../../', import.meta.url)

const BASE = 'node -e 0'
const MAIN = 'dist/cli/main.js'
/** The second row is the noise of the machine. */
const SUBJECTS: ReadonlyMap<string, readonly string[]> = new Map([
  [BASE, ['-e', '0']],
  [`${BASE}, again`, ['-e', '0']],
  ['onehop --help', [MAIN, '--help']],
  ['onehop call --help', [MAIN, 'call', '--help']],
])

export async function starts({ quick }: Effort): Promise<Report> {
  const rounds = quick ? 2 : 40
  const samples = new Map(Array.from(SUBJECTS.keys(), (name) => [name, [] as number[]]))
  // The first round fills the operating system's file cache and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, args] of SUBJECTS) {
      const ms = await timeStart(args)
      if (round > 0) samples.get(name)?.push(ms)
    }
  }
  const base = samples.get(BASE) ?? []
  return {
    name: 'starts',
    title: `ms per start of the command line; medians of ${rounds} rounds`,
    columns: { what: 'start of', wall: 'ms', ratio: '÷ node -e 0' },
    rows: Array.from(samples, ([what, taken]) => ({
      what,
      wall: median(taken),
      ratio: median(taken.map((ms, round) => ms / (base[round] ?? Number.NaN))),
    })),
    notes: ['÷ node -e 0: median of the ratios within each round. The second row is noise.'],
  }
}

async function timeStart(args: readonly string[]): Promise<number> {
  const begun = performance.now()
  await promisify(execFile)(process.execPath, args, { cwd: root })
  return performance.now() - begun
}

/**
 * Starts of processes, of which each is compared with `node -e 0` within each round. The help of the command line must not wait
 * for the library: at most 1.5 times as long. `onehop/auto` loads Node's own undici, which `fetch` would load later, and the library.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { median } from '../discovery/statistics.ts'
import type { Effort, Report } from '../discovery/report.ts'

const root = new URL('../../', import.meta.url)

const BASE = 'node -e 0'
const MAIN = 'dist/cli/main.js'

interface Subject {
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

function auto(env: Readonly<Record<string, string>>): Subject {
  return { args: ['--import', 'onehop/auto', '-e', '0'], env: { ONEHOP_NAMESPACES: 'shop.local', ...env } }
}

/** The second row is the noise of the machine. */
const SUBJECTS: ReadonlyMap<string, Subject> = new Map([
  [BASE, { args: ['-e', '0'] }],
  [`${BASE}, again`, { args: ['-e', '0'] }],
  ['onehop --help', { args: [MAIN, '--help'] }],
  ['onehop call --help', { args: [MAIN, 'call', '--help'] }],
  ['node -e Headers', { args: ['-e', 'globalThis.Headers'] }],
  ['onehop/auto', auto({})],
  ['onehop/auto, http only', auto({ ONEHOP_INTERCEPT: 'http' })],
  ['onehop/auto, disabled', auto({ ONEHOP_DISABLED: 'true' })],
])

export async function starts({ quick }: Effort): Promise<Report> {
  const rounds = quick ? 2 : 40
  const samples = new Map(Array.from(SUBJECTS.keys(), (name) => [name, [] as number[]]))
  // The first round fills the operating system's file cache and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, subject] of SUBJECTS) {
      const ms = await timeStart(subject)
      if (round > 0) samples.get(name)?.push(ms)
    }
  }
  const base = samples.get(BASE) ?? []
  return {
    name: 'starts',
    title: `ms per start; medians of ${rounds} rounds`,
    columns: { what: 'start of', wall: 'ms', ratio: '÷ node -e 0' },
    rows: Array.from(samples, ([what, taken]) => ({
      what,
      wall: median(taken),
      ratio: median(taken.map((ms, round) => ms / (base[round] ?? Number.NaN))),
    })),
    notes: ['÷ node -e 0: median of the ratios within each round. The second row is noise.'],
  }
}

async function timeStart({ args, env }: Subject): Promise<number> {
  const begun = performance.now()
  await promisify(execFile)(process.execPath, args, { cwd: root, env: { ...process.env, ...env } })
  return performance.now() - begun
}

/**
 * Each import runs in a separate process. A round has one process for undici, for each entry of the package, and for
 * undici again, in turn. An entry is compared with undici within each round.
 */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { entriesOf } from '../../scripts/entries.ts'
import { median } from '../discovery/statistics.ts'
import type { Effort, Report } from '../discovery/report.ts'

const root = new URL('../../', import.meta.url)

/** What is compared. The package is imported as users import it, from `dist`. */
const BASE = 'undici'
/** The base again, which shows the noise of the machine. */
const AGAIN = 'undici, again'
const ENTRIES = entriesOf().map(({ name }) => name)

const PROGRAM = `
  const cpu = process.cpuUsage()
  const start = performance.now()
  await import(process.argv[1])
  const wall = performance.now() - start
  const { user, system } = process.cpuUsage(cpu)
  console.log(JSON.stringify({ wall, cpu: (user + system) / 1000 }))`

/** In ms. */
interface Sample {
  readonly wall: number
  readonly cpu: number
}

export async function imports({ quick }: Effort): Promise<Report> {
  const rounds = quick ? 2 : 40
  const missing = new Map<string, string>()
  for (const name of ENTRIES) {
    const peer = await missingPeer(name)
    if (peer !== undefined) missing.set(name, peer)
  }
  const subjects = [BASE, AGAIN, ...ENTRIES.filter((name) => !missing.has(name))]
  const samples = new Map(subjects.map((name) => [name, [] as Sample[]]))
  // The first round fills the operating system's file cache and does not count.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, taken] of samples) {
      const sample = await timeImport(name === AGAIN ? BASE : name)
      if (round > 0) taken.push(sample)
    }
  }
  const undici = samples.get(BASE) ?? []
  const beyond = (name: string, how: keyof Sample): number =>
    median(
      (samples.get(name) ?? []).map((sample, round) => sample[how] - (undici[round]?.[how] ?? Number.NaN)),
    )
  return {
    name: 'imports',
    title: `ms per import, each in a separate process; medians of ${rounds} rounds`,
    columns: {
      what: 'import of',
      wall: 'ms',
      wallBeyond: 'more than undici',
      cpu: 'ms of CPU',
      cpuBeyond: 'more than undici',
    },
    rows: subjects.map((name) => ({
      what: name,
      wall: median((samples.get(name) ?? []).map(({ wall }) => wall)),
      wallBeyond: beyond(name, 'wall'),
      cpu: median((samples.get(name) ?? []).map(({ cpu }) => cpu)),
      cpuBeyond: beyond(name, 'cpu'),
    })),
    notes: [
      ...Array.from(missing, ([name, peer]) => `${name} is left out: ${peer} is not installed.`),
      'more than undici: median of the differences within each round. The second row is noise.',
      'Wall time is what a start waits. CPU time is more reliable when other processes use the same cores.',
    ],
  }
}

/** The optional peer that an entry cannot be imported without, if it is not installed. */
async function missingPeer(name: string): Promise<string | undefined> {
  try {
    await timeImport(name)
    return undefined
  } catch (error) {
    const peer = /Cannot find package '([^']+)'/.exec(String(error))?.[1]
    if (peer === undefined) throw error
    return peer
  }
}

async function timeImport(name: string): Promise<Sample> {
  const flags = ['--input-type=module', '--eval', PROGRAM, name]
  const { stdout } = await promisify(execFile)(process.execPath, flags, { cwd: root })
  return JSON.parse(stdout) as Sample
}

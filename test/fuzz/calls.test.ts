/**
 * Calls of all kinds to tasks of all kinds, by chance: over each transport, some seconds of worlds in which tasks come and
 * go, answer badly, late or never, callers leave, discovery flaps, and the client is closed at any moment.
 *
 * Whatever happens: each call ends once and in time, nothing is pending after it, what may be done once is done once,
 * bodies are whole or known to be broken, nothing is sent after the end, `close` settles, no error is unheard, and
 * neither a socket nor a timer is left.
 */
import { fork } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import { baseSeed } from './fuzz.ts'
import { FUZZED, type Verdict } from './calls/world.ts'

/** For a longer hunt: `ONEHOP_FUZZ_WORLDS=500 npx vitest run --project fuzz test/fuzz/calls.test.ts`. */
const WORLDS = Number(process.env['ONEHOP_FUZZ_WORLDS'] ?? '12')
/** A world takes two seconds, and waits for some more for what never comes; on a busy machine many times that. */
const SILENT_MS = 240_000
const FAULTS_TOLD = 12
const script = new URL('calls/process.ts', import.meta.url)

interface Result {
  /** Each with its seed. */
  readonly faults: readonly string[]
  readonly counts: Readonly<Record<string, number>>
}

async function runWorlds(transport: string): Promise<Result> {
  const faults: string[] = []
  const counts: Record<string, number> = {}
  let seed = baseSeed
  const end = baseSeed + WORLDS
  // A process that had to be ended leaves worlds to the next.
  while (seed < end) {
    const processFault = await runInProcess(transport, seed, end - seed, (verdict) => {
      for (const [what, count] of Object.entries(verdict.counts)) counts[what] = (counts[what] ?? 0) + count
      for (const fault of verdict.faults) faults.push(`seed ${verdict.seed}: ${fault}`)
      seed = verdict.seed + 1
    })
    if (processFault === undefined) continue
    faults.push(`seed ${seed}: ${processFault}`)
    seed++
  }
  return { faults, counts }
}

/** @returns what was wrong with the process itself, which is the fault of the seed that it told nothing of */
function runInProcess(
  transport: string,
  first: number,
  count: number,
  onVerdict: (verdict: Verdict) => void,
): Promise<string | undefined> {
  const child = fork(script, [transport, String(first), String(count)], {
    execArgv: ['--conditions=onehop:source'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  return new Promise((resolve) => {
    let left = count
    const end = (fault: string | undefined): void => {
      clearTimeout(watch)
      child.kill('SIGKILL')
      resolve(fault)
    }
    const spins = (): void => end(`nothing was heard for ${SILENT_MS} ms: its event loop may spin`)
    let watch = setTimeout(spins, SILENT_MS)
    child.on('message', (verdict: Verdict) => {
      onVerdict(verdict)
      clearTimeout(watch)
      if (--left === 0) end(undefined)
      else watch = setTimeout(spins, SILENT_MS)
    })
    child.once('exit', (code, signal) => end(`the process ended with ${signal ?? code}`))
  })
}

function told(transport: string, faults: readonly string[]): string {
  const seeds = [...new Set(faults.map((fault) => /^seed (\d+)/.exec(fault)?.[1]))]
  return [
    ...faults.slice(0, FAULTS_TOLD),
    faults.length > FAULTS_TOLD ? `and ${faults.length - FAULTS_TOLD} more` : '',
    'again, each:',
    ...seeds.map(
      (seed) => `node --conditions=onehop:source test/fuzz/calls/process.ts '${transport}' ${seed}`,
    ),
  ].join('\n')
}

describe.concurrent.each(Object.keys(FUZZED))('calls over %s', (transport) => {
  test('end once, are answered whole, and leave nothing behind', { timeout: 900_000 }, async () => {
    const { faults, counts } = await runWorlds(transport)
    expect(faults.length === 0 ? '' : told(transport, faults)).toBe('')
    // Worlds in which nothing happens would show nothing. How many calls end in time depends on the machine.
    expect(counts['status 200']).toBeGreaterThan(5 * WORLDS)
    for (const what of [
      'ONEHOP_ATTEMPTS_EXHAUSTED',
      'in a callback',
      'a task hangs',
      'a task resets when it has read',
    ])
      expect(counts[what], what).toBeGreaterThan(0)
    if (transport !== 'h2')
      for (const what of ['later', 'at once', 'in an event']) expect(counts[what], what).toBeGreaterThan(0)
  })
})

import { Bench } from 'tinybench'
import { median } from './statistics.ts'

/** One thing to measure. A loop of its own, so that what V8 learns of one does not slow another down. */
export type Subject = { readonly name: string; readonly calls: number } & (
  | { readonly run: () => void }
  | { readonly runAsync: () => Promise<void> }
)

/** ns per call, one number per round. */
export type Rounds = ReadonlyMap<string, readonly number[]>

export interface Plan {
  readonly rounds: number
  readonly sliceMs: number
}

/**
 * Gives each subject a slice of time in turn, again and again, so that whatever else the machine does meets all
 * of them alike. The first round warms up and does not count. A round's number is the median over its slice.
 */
export async function measureInTurn(subjects: readonly Subject[], plan: Plan): Promise<Rounds> {
  const rounds = new Map(subjects.map(({ name }) => [name, [] as number[]]))
  for (let round = 0; round <= plan.rounds; round++) {
    const bench = new Bench({ time: plan.sliceMs, iterations: 5, warmup: false, throws: true })
    for (const subject of subjects) {
      if ('run' in subject) bench.add(subject.name, subject.run, { async: false })
      else bench.add(subject.name, subject.runAsync, { async: true })
    }
    await bench.run()
    if (round === 0) continue
    for (const { name, calls } of subjects) {
      const result = bench.getTask(name)?.result
      if (result?.state !== 'completed') throw new Error(`${name} was not measured`)
      rounds.get(name)?.push((result.latency.p50 * 1e6) / calls)
    }
  }
  return rounds
}

/** Of each round, so that a slow round does not count for one side alone. */
export function combine(
  rounds: Rounds,
  one: string,
  other: string,
  how: (one: number, other: number) => number,
): readonly number[] {
  const others = samplesOf(rounds, other)
  return samplesOf(rounds, one).map((value, round) => how(value, others[round] ?? Number.NaN))
}

export function samplesOf(rounds: Rounds, name: string): readonly number[] {
  const samples = rounds.get(name)
  if (samples === undefined) throw new Error(`nobody measured ${name}`)
  return samples
}

export function spreadOf(samples: readonly number[]): { median: number; lowest: number; highest: number } {
  return { median: median(samples), lowest: Math.min(...samples), highest: Math.max(...samples) }
}

import { Bench } from 'tinybench'
import { median } from './statistics.ts'

/** One subject to measure. It has a separate loop, so that V8's type feedback of one subject does not slow another. */
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
 * Gives each subject a slice of time in turn, many times, so that other load on the machine meets all of them alike.
 * The first round is a warm-up and does not count. The result of a round is the median over its slice.
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

/** Computed within each round, so that a slow round affects both sides. */
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
  if (samples === undefined) throw new Error(`${name} was not measured`)
  return samples
}

export function spreadOf(samples: readonly number[]): { median: number; lowest: number; highest: number } {
  return { median: median(samples), lowest: Math.min(...samples), highest: Math.max(...samples) }
}

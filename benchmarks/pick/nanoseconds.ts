/** ns per pick by the number of upstreams. */
import { combine, measureInTurn, samplesOf, spreadOf } from '../discovery/in-turn.ts'
import type { Effort, Report, Row } from '../discovery/report.ts'
import { systemRandom } from '../../src/core/clock.ts'
import { picksOf, SUBJECTS, YARDSTICK, type Subject } from './subjects.ts'

const SIZES = [10, 100, 1_000, 10_000] as const
const MAX_SIZE = SIZES[SIZES.length - 1] as number
const ROUNDS = 7

export async function nanoseconds({ quick }: Effort): Promise<Report> {
  const subjects = SUBJECTS.flatMap((subject) =>
    SIZES.map((size) => {
      const picks = picksOf(subject.balancer(systemRandom), size, subject.weighted)
      const calls = subject.scans ? Math.max(10, 100_000 / size) : 10_000
      return { name: at(subject, size), calls, run: () => picks(calls) }
    }),
  )
  const rounds = await measureInTurn(
    subjects,
    quick ? { rounds: 2, sliceMs: 2 } : { rounds: ROUNDS, sliceMs: 20 },
  )
  const rowOf = (subject: Subject): Row => {
    const ns = SIZES.map((size) => spreadOf(samplesOf(rounds, at(subject, size))))
    const [few, , many, most] = ns
    const ratio = (one: string, other: string): number =>
      spreadOf(combine(rounds, one, other, (x, y) => x / y)).median
    return {
      balancer: subject.name,
      ...Object.fromEntries(SIZES.map((size, i) => [`ns${size}`, ns[i]?.median ?? null])),
      lowest: many?.lowest ?? null,
      highest: many?.highest ?? null,
      toP2c: ratio(at(subject, 1_000), at(YARDSTICK, 1_000)),
      growth: few === undefined || most === undefined ? null : ratio(at(subject, MAX_SIZE), at(subject, 10)),
    }
  }
  return {
    name: 'ns',
    title: '1. ns per pick, by the number of upstreams',
    columns: {
      balancer: 'balancer',
      ...Object.fromEntries(SIZES.map((size) => [`ns${size}`, size.toLocaleString('en')])),
      lowest: 'lowest',
      highest: 'highest',
      toP2c: '÷ p2c',
      growth: '10,000 ÷ 10',
    },
    rows: SUBJECTS.map(rowOf),
    notes: [
      `Medians of ${quick ? 2 : ROUNDS} rounds. In each round every subject gets one slice of time. lowest, highest and ÷ p2c: at 1,000 upstreams. Ratios are computed within each round.`,
      "leastRequest({ choices: 'all' }) and consistentHash look at every candidate, by what they are: at its calls under way, or at its hash with the key. For large fleets there are subsets.",
      'At 10,000, p2c() and the other O(1) balancers are slower because of memory: two random upstreams of 10,000 are not in the caches of the processor, two of 10 are.',
    ],
  }
}

function at({ name }: Subject, size: number): string {
  return `${name} at ${size}`
}

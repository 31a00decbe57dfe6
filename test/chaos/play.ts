import { expect } from 'vitest'
import { onehop } from './clients/onehop.ts'
import { run, type Report } from './run.ts'
import type { Scenario } from './scenario.ts'
import type { Kind } from './tally.ts'

/** Calls that count for longer: `ONEHOP_CHAOS=long npm run test:chaos`. */
const LONG = process.env['ONEHOP_CHAOS'] === 'long'

/** Plays a scenario to a client of ours. */
export function play(scenario: Scenario): Promise<Report> {
  return run(scenario, onehop, LONG)
}

/** At most so many of each kind; those that are not named: none. What failed is told in the words of its error. */
export function expectFailures({ tally }: Report, most: Partial<Record<Kind, number>> = {}): void {
  expect(tally.calls()).toBeGreaterThan(1_000)
  for (const kind of ['GET', 'POST', 'POST+key'] as const) {
    const failures = tally.failedOf(kind).map(({ at, error }) => `${at.toFixed(0)} ms: ${error.message}`)
    expect(failures.length, `${kind} that failed:\n${failures.join('\n')}`).toBeLessThanOrEqual(
      most[kind] ?? 0,
    )
  }
}

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { eventNames } from 'onehop'
import { expect } from 'vitest'
import { onehop } from '../../chaos/clients/onehop.ts'
import { FailedEarlyError, TIMEOUT_MS } from '../../chaos/load.ts'
import { run, type Report } from '../../chaos/run.ts'
import type { Scenario } from '../../chaos/stage.ts'
import type { Failure, Kind } from '../../chaos/tally.ts'

/** Calls that count for longer: `ONEHOP_CHAOS=long npm run test:chaos`. */
const LONG = process.env['ONEHOP_CHAOS'] === 'long'

/** What a client of ours made of a scenario, and what it told on the way. */
export interface Played extends Report {
  readonly events: readonly { readonly at: number; readonly text: string }[]
}

/**
 * A machine that others use lets a process stand still for a second, now and then. Who stands still can tell nothing of
 * callers who wait for a second, and one that is late all the time sees slow tasks everywhere: such a run is played
 * again. One that was not disturbed never is, whatever it shows.
 */
const STOOD_STILL_MS = 150
const LATE_P99_MS = 15
const MAX_RUNS = 4

/** Plays a scenario to a client of ours. */
export async function play(scenario: Scenario): Promise<Played> {
  for (let runs = 1; ; runs++) {
    const played = await playOnce(scenario).catch(failedEarly)
    const { lateMaxMs, lateP99Ms } = played
    const disturbed = lateMaxMs >= STOOD_STILL_MS || lateP99Ms >= LATE_P99_MS
    if (played instanceof FailedEarlyError) {
      if (!disturbed || runs === MAX_RUNS) throw played
    } else if (!disturbed || runs === MAX_RUNS) return played
    const late = `up to ${lateMaxMs.toFixed(0)} ms late, p99 ${lateP99Ms.toFixed(0)} ms`
    console.log(`${scenario.name}: this process was ${late}; again`)
  }
}

function failedEarly(error: unknown): FailedEarlyError {
  if (error instanceof FailedEarlyError) return error
  throw error
}

async function playOnce(scenario: Scenario): Promise<Played> {
  const told: { at: number; text: string }[] = []
  let faultAt = 0
  const hear = (payload: unknown, name: string | symbol): void =>
    void told.push({
      at: performance.now(),
      text: `${String(name)} ${JSON.stringify(payload, errorsAsMessages)}`,
    })
  for (const name of eventNames) subscribe(name, hear)
  try {
    const report = await run(
      {
        ...scenario,
        fault(stage) {
          faultAt = performance.now()
          return scenario.fault(stage)
        },
      },
      onehop,
      LONG,
    )
    return { ...report, events: told.map(({ at, text }) => ({ at: at - faultAt, text })) }
  } finally {
    for (const name of eventNames) unsubscribe(name, hear)
  }
}

/** At most so many of each kind; those that are not named: none. */
export function expectFailures(played: Played, most: Partial<Record<Kind, number>> = {}): void {
  expect(played.tally.calls()).toBeGreaterThan(1_000)
  for (const kind of ['GET', 'POST', 'POST+key'] as const) {
    const failures = played.tally.failedOf(kind)
    expect(failures.length, `${kind}: ${story(played, failures)}`).toBeLessThanOrEqual(most[kind] ?? 0)
  }
}

/** Of all kinds together. */
export function expectFailuresInAll(played: Played, most: number): void {
  const { failures } = played.tally
  expect(played.tally.calls()).toBeGreaterThan(1_000)
  expect(failures.length, story(played, failures)).toBeLessThanOrEqual(most)
}

const FAILURES_TOLD = 10
const EVENTS_TOLD = 30

function errorsAsMessages(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value
}

/** The failures, and what happened while the first of them was under way. */
function story({ events }: Played, failures: readonly Failure[]): string {
  const [first] = failures
  if (first === undefined) return 'none failed'
  const around = events.filter(({ at }) => at >= first.at - 100 && at <= first.at + TIMEOUT_MS)
  return [
    `${failures.length} failed`,
    ...failures.slice(0, FAILURES_TOLD).map(({ at, error }) => `${at.toFixed(0)} ms: ${error.message}`),
    'events around the first:',
    ...around.slice(0, EVENTS_TOLD).map(({ at, text }) => `${at.toFixed(0)} ms: ${text}`),
  ].join('\n')
}

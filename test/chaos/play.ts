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
 * A machine with other load lets processes stand still, and the callers wait for one second only. A check that fails in
 * a run that was disturbed is made again with another run. One that fails in a run without a disturbance has failed.
 */
const STOOD_STILL_MS = 150
const LATE_P99_MS = 15
const MAX_RUNS = 8
/** Within it another run begins. `testTimeout` leaves a minute for that one. */
const RUNS_BEGIN_WITHIN_MS = 240_000

/** Plays a scenario to a client of ours, and checks what came of it. */
export async function holds(scenario: Scenario, check: (played: Played) => void): Promise<void> {
  const last = performance.now() + RUNS_BEGIN_WITHIN_MS
  for (let runs = 1; ; runs++) {
    const played = await playOnce(scenario).catch(failedEarly)
    try {
      if (played instanceof FailedEarlyError) throw played
      check(played)
      return
    } catch (error) {
      if (!wasDisturbed(played) || runs === MAX_RUNS || performance.now() > last) throw error
      const [late, p99, tasks] = [played.lateMaxMs, played.lateP99Ms, played.tasksLateMs].map(Math.round)
      console.log(`${scenario.name}: ${late} ms late, p99 ${p99} ms, tasks up to ${tasks} ms; again`)
    }
  }
}

type Lateness = Pick<Report, 'lateMaxMs' | 'lateP99Ms' | 'tasksLateMs'>

function wasDisturbed({ lateMaxMs, lateP99Ms, tasksLateMs }: Lateness): boolean {
  return Math.max(lateMaxMs, tasksLateMs) >= STOOD_STILL_MS || lateP99Ms >= LATE_P99_MS
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

/** A third of the calls (`chaos/load.ts`). */
const POSTS_PER_SECOND = 67

/**
 * How many POSTs dying tasks can have had in their hands, by Little's law: those of the time that calls took in this run, and of the
 * time until the tasks were dead. Both are some 10 ms on a machine without other load.
 * @param atLeast what chance allows for there
 * @param share of all calls that goes to these tasks
 */
export function mostInFlight({ tally, faultDoneAt }: Played, atLeast: number, share: number): number {
  const ms = tally.latencyMs(0.99) + Math.max(0, faultDoneAt)
  return Math.max(atLeast, Math.ceil((POSTS_PER_SECOND * share * ms) / 1_000))
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

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { monitorEventLoopDelay, type IntervalHistogram } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from './clients/caller.ts'
import { FailedEarlyError, startLoad, type Stream } from './load.ts'
import type { Scenario } from './stage.ts'
import { CONTROL, ORDERS, Stage } from './stage.ts'
import { TaskLateness } from './task-lateness.ts'
import { Tally } from './tally.ts'

export interface Report {
  readonly scenario: string
  readonly client: string
  readonly tally: Tally
  /** Of the service without the fault, called in the same moments. */
  readonly control: Tally | undefined
  /** Since the fault began; undefined where they are not made in this process. */
  readonly attempts: number | undefined
  /** How late this process was for its own timers: what it measures is no better than that. */
  readonly lateP99Ms: number
  readonly lateMaxMs: number
  /** How long tasks that were neither stopped nor killed took to answer over IPC, at most. */
  readonly tasksLateMs: number
  /** When the fault had happened, in ms on the scale of `Failure.at`: later than 0 on a busy machine. */
  readonly faultDoneAt: number
}

const WARM_UP_SECONDS = 3
const SECONDS = { short: 6, long: 12 }
const NANOSECONDS_PER_MS = 1e6
/** Of the timer by which lateness is seen. */
const LATENESS_STEP_MS = 5

/** Plays one scenario to one client. Everything that it starts has ended when it returns or throws. */
export async function run(scenario: Scenario, client: Client, long: boolean): Promise<Report> {
  await using stage = await Stage.start(scenario)
  scenario.setUp?.(stage)
  await using caller = await client.start(stage, ORDERS)
  await using control = scenario.control === true ? await client.start(stage, CONTROL) : null
  const streams: Stream[] = [caller, control]
    .filter((each) => each !== null)
    .map((each) => ({ caller: each, tally: new Tally() }))
  const { short: shortSeconds, long: longSeconds } = scenario.seconds ?? SECONDS
  const warmUpMs = 1_000 * (scenario.warmUpSeconds ?? WARM_UP_SECONDS)
  const load = startLoad(streams, warmUpMs, 1_000 * (long ? longSeconds : shortSeconds))

  using taskLateness = new TaskLateness(() => stage.processes)
  using attempts = new AttemptCount(stage.pathOf(ORDERS))
  const early = monitorEventLoopDelay({ resolution: LATENESS_STEP_MS })
  const lateness = monitorEventLoopDelay({ resolution: LATENESS_STEP_MS })
  early.enable()
  let faultDoneAt = 0
  const fault = async (): Promise<void> => {
    await delay(Math.max(0, load.faultAt - performance.now()))
    attempts.begin()
    early.disable()
    lateness.enable()
    taskLateness.takeMaxMs()
    await scenario.fault(stage)
    faultDoneAt = performance.now() - load.faultAt
  }
  try {
    await Promise.all([load.done, fault()])
  } catch (error) {
    if (error instanceof FailedEarlyError) {
      error.lateMaxMs = maxOf(early)
      error.lateP99Ms = p99Of(early)
      error.tasksLateMs = taskLateness.takeMaxMs()
    }
    throw error
  } finally {
    lateness.disable()
  }
  const [tally, controlTally] = streams.map((stream) => stream.tally)
  if (tally === undefined) throw new Error('there is always a caller')
  return {
    scenario: scenario.name,
    client: client.name,
    tally,
    control: controlTally,
    attempts: client.countsAttempts ? attempts.count : undefined,
    lateP99Ms: p99Of(lateness),
    lateMaxMs: maxOf(lateness),
    tasksLateMs: taskLateness.takeMaxMs(),
    faultDoneAt,
  }
}

function maxOf({ max }: IntervalHistogram): number {
  return max / NANOSECONDS_PER_MS - LATENESS_STEP_MS
}

function p99Of(lateness: IntervalHistogram): number {
  return lateness.percentile(99) / NANOSECONDS_PER_MS - LATENESS_STEP_MS
}

/** Requests that undici's clients take in, whoever dispatches them: attempts, and no logical calls. */
class AttemptCount implements Disposable {
  count = 0
  readonly #onRequest: (message: unknown) => void

  constructor(path: string) {
    this.#onRequest = (message) => {
      if ((message as { request: { path: string } }).request.path === path) this.count++
    }
  }

  begin(): void {
    subscribe('undici:request:create', this.#onRequest)
  }

  [Symbol.dispose](): void {
    unsubscribe('undici:request:create', this.#onRequest)
  }
}

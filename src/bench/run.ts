/**
 * A run: check that each arm can be called, measure what connections cost, then send the load.
 *
 * All arms get their calls in the same seconds and in random order, so that what slows this machine or the service meets all
 * of them alike.
 */
import { stripVTControlCharacters } from 'node:util'
import { seededRandom } from '../core/seeded-random.ts'
import { sleep, type Clock, type Timer } from '../core/clock.ts'
import { OnehopError } from '../index.ts'
import { isDirect, type Arm, type ArmName, type Way } from './arms/arm.ts'
import { CallTraces } from './arms/call-traces.ts'
import { makeArm } from './arms/make-arm.ts'
import { SetUpTries, type SetUp } from './arms/set-up.ts'
import { OpenLoop, sendOnce } from './load/open-loop.ts'
import type { Recording } from './load/recording.ts'
import { scheduleOf } from './load/schedule.ts'
import type { BenchSettings } from './settings.ts'

/** The benchmark cannot begin. */
export class BenchError extends OnehopError {
  readonly code = 'ONEHOP_BENCH_FAILED'

  constructor(message: string) {
    super('ONEHOP_BENCH_FAILED', message)
  }
}

export interface RunContext {
  readonly clock: Clock
  /** Ends the run early; its report has what was measured until then. */
  readonly signal: AbortSignal
  readonly onPhase: (phase: Phase) => void
  readonly onNote: (note: string) => void
}

/** For the progress bar. */
export interface Phase {
  readonly name: 'connections' | 'warm-up' | 'load'
  readonly done: number
  readonly leftMs: number | undefined
}

/** What a run has measured. */
export interface Run {
  readonly arms: readonly Arm[]
  readonly recording: Recording
  /** By `address:port`. */
  readonly zones: ReadonlyMap<string, string>
  readonly setUp: ReadonlyMap<Way, SetUp>
  /** On the clock: time zero of the recording. */
  readonly startedAt: number
  readonly wasInterrupted: boolean
  readonly notes: readonly string[]
}

const PROGRESS_MS = 250
const TRIES = 3
const BETWEEN_TRIES_MS = 200

/** @throws BenchError if an arm cannot be called */
export async function runArms(settings: BenchSettings, context: RunContext): Promise<Run> {
  const notes: string[] = []
  const note = (text: string): void => {
    // It may hold what a server has sent.
    const plain = stripVTControlCharacters(text)
    notes.push(plain)
    context.onNote(plain)
  }
  const arms: Arm[] = []
  try {
    await addCallable(arms, settings, context, note)
    const setUp = await measureSetUp(arms, settings, context)
    const load = await sendLoad(arms, settings, context)
    return { arms, setUp, ...load, wasInterrupted: context.signal.aborted, notes }
  } finally {
    await Promise.all(arms.map((arm) => arm.close()))
  }
}

async function addCallable(
  arms: Arm[],
  settings: BenchSettings,
  context: RunContext,
  note: (text: string) => void,
): Promise<void> {
  const { ways, optional, control } = settings
  const add = (way: Way, name: ArmName): Promise<string | undefined> => {
    context.signal.throwIfAborted()
    const arm = makeArm(way, settings, context.clock, name)
    arms.push(arm)
    return firstFailure(arm, settings, context)
  }
  for (const way of ways) {
    const failure = await add(way, way)
    if (failure === undefined) continue
    if (!optional.has(way)) throw new BenchError(`the arm ${way} cannot be called: ${failure}`)
    note(`The arm ${way} is left out: ${failure}.`)
    await arms.pop()?.close()
  }
  if (control === undefined || !arms.some(({ way }) => way === control)) return
  const failure = await add(control, 'control')
  if (failure !== undefined) throw new BenchError(`the control cannot be called: ${failure}`)
}

/** @returns undefined if one of a few calls succeeds */
async function firstFailure(
  arm: Arm,
  { timeoutMs }: BenchSettings,
  { clock, signal }: RunContext,
): Promise<string | undefined> {
  let failure: string | undefined
  for (let attempt = 0; attempt < TRIES; attempt++) {
    if (attempt > 0) await sleep(clock, BETWEEN_TRIES_MS, signal)
    const call = await sendOnce(arm.target, clock, timeoutMs, signal)
    const wrong = call.failure ?? detourOf(arm)
    if (wrong === undefined) return undefined
    failure ??= wrong
  }
  return failure
}

/** Why a direct arm called the load balancer instead: its numbers would be those of the balancer. */
function detourOf({ way, client }: Arm): string | undefined {
  if (!isDirect(way) || client === undefined) return undefined
  for (const { origins, lastError } of Object.values(client.inspect().services))
    for (const { upstreams } of Object.values(origins)) {
      if (upstreams.some(({ tier, requests }) => tier === 0 && requests > 0)) return undefined
      return lastError ?? 'no task can be called, only the load balancer'
    }
  return undefined
}

/** One try of each way after the other, so that a slow moment meets all of them. */
async function measureSetUp(
  arms: readonly Arm[],
  settings: BenchSettings,
  { clock, signal, onPhase }: RunContext,
): Promise<Map<Way, SetUp>> {
  const ways = arms.filter(({ name }) => name !== 'control').map(({ way }) => way)
  const tried = new Map(ways.map((way) => [way, new SetUpTries(way, settings, clock, settings.timeoutMs)]))
  for (let turn = 0; turn < settings.setUpTries && !signal.aborted; turn++)
    for (const tries of tried.values()) {
      onPhase({ name: 'connections', done: turn / settings.setUpTries, leftMs: undefined })
      await tries.next(signal).catch((error: unknown) => {
        if (!signal.aborted) throw error
      })
    }
  return new Map(Array.from(tried, ([way, { results }]) => [way, results]))
}

async function sendLoad(
  arms: readonly Arm[],
  settings: BenchSettings,
  { clock, signal, onPhase }: RunContext,
): Promise<Pick<Run, 'recording' | 'zones' | 'startedAt'>> {
  const { arrivals, perSecond, warmUpMs, maxInFlight, timeoutMs, seed } = settings
  const durationMs = warmUpMs + settings.durationMs
  const schedule = scheduleOf(
    { arrivals, perSecond, durationMs, rampMs: warmUpMs, arms: arms.length },
    seededRandom(seed),
  )
  const loop = new OpenLoop({
    targets: arms.map(({ target }) => target),
    ...{ schedule, maxInFlight, timeoutMs, clock, signal },
    dispatching: (call) => {
      traces.current = call
    },
  })
  const traces = new CallTraces(loop.recording)
  let timer: Timer | undefined
  const report = (): void => {
    const now = loop.now()
    onPhase({ name: now < warmUpMs ? 'warm-up' : 'load', done: now / durationMs, leftMs: durationMs - now })
    timer = clock.setTimer(report, PROGRESS_MS)
  }
  report()
  try {
    await loop.run()
  } finally {
    traces.close()
    timer?.cancel()
  }
  const startedAt = clock.now() - loop.now()
  return { recording: loop.recording, zones: zonesOf(arms, traces), startedAt }
}

/** Also those of tasks that only DNS named, if the API reports their zones. */
function zonesOf(arms: readonly Arm[], traces: CallTraces): Map<string, string> {
  const zones = new Map(traces.zones)
  for (const { client } of arms)
    for (const service of Object.values(client?.inspect().services ?? {}))
      for (const { upstreams } of Object.values(service.origins))
        for (const { upstream, zone } of upstreams) if (zone !== undefined) zones.set(upstream, zone)
  return zones
}

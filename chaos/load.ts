import { setImmediate as afterIo, setTimeout as delay } from 'node:timers/promises'
import type { Caller } from './clients/caller.ts'
import { KINDS, type Tally } from './tally.ts'

const PER_SECOND = 200
/** The patience of those who call. */
export const TIMEOUT_MS = 1_000

/** A call failed before anything was done to anybody: there is something wrong with the test, or with the machine. */
export class FailedEarlyError extends Error {
  /** How late this process was for its timers until the fault. */
  lateMaxMs = 0
  lateP99Ms = 0
  /** And how late its tasks were to answer. */
  tasksLateMs = 0
}

/** A stream of calls through one caller. */
export interface Stream {
  readonly caller: Caller
  /** Calls over before the fault count for nothing, all others do. */
  readonly tally: Tally
}

export interface Load {
  /** On performance.now(): calls that end from then on count. */
  readonly faultAt: number
  /** Resolves when the last call has ended. */
  readonly done: Promise<void>
}

/**
 * Open-loop load: calls are due on a schedule, whatever became of those before, and their latencies are counted from
 * when they were due. A caller who waits for the answer before he asks again would hide the very seconds that hurt.
 * Several streams take turns within each step of the schedule, so that what disturbs one disturbs all.
 */
export function startLoad(streams: readonly Stream[], warmUpMs: number, measuredMs: number): Load {
  const startedAt = performance.now()
  const faultAt = startedAt + warmUpMs
  const run = async (): Promise<void> => {
    const calls: Promise<void>[] = []
    const early: unknown[] = []
    const stepMs = 1_000 / PER_SECOND
    const steps = Math.round((warmUpMs + measuredMs) / stepMs)
    for (let step = 0; step < steps; step++) {
      for (const [index, stream] of streams.entries()) {
        const dueAt = startedAt + (step + index / streams.length) * stepMs
        const aheadMs = dueAt - performance.now()
        // A timer of 0.4 ms fires after 1: what is due so soon is asked at once, but sockets are heard in between.
        await (aheadMs > 0.5 ? delay(aheadMs) : afterIo())
        calls.push(call(stream, step, dueAt, faultAt).catch((error: unknown) => void early.push(error)))
      }
    }
    await Promise.all(calls)
    if (early.length > 0) throw early[0]
  }
  return { faultAt, done: run() }
}

async function call({ caller, tally }: Stream, step: number, dueAt: number, faultAt: number): Promise<void> {
  const kind = KINDS[step % KINDS.length] ?? 'GET'
  const patience = new AbortController()
  const leave = (): void => patience.abort(new Error(`the caller left after ${TIMEOUT_MS} ms`))
  // An answer that is there in time, in a process that was busy, is heard first: its headers, and then its body.
  const late = setTimeout(
    () => setImmediate(() => setImmediate(leave)),
    Math.max(0, dueAt + TIMEOUT_MS - performance.now()),
  )
  // Also if it was due before: what is under way when a task dies is what it takes with it.
  const counts = (): boolean => performance.now() >= faultAt
  try {
    const status = await caller.call(kind, patience.signal)
    if (status !== 200) throw new Error(`status ${status}`)
    if (counts()) tally.succeeded(kind, performance.now() - dueAt)
  } catch (error) {
    const latencyMs = performance.now() - dueAt
    if (!counts()) throw new FailedEarlyError(`a ${kind} failed before the fault began`, { cause: error })
    tally.failed({ kind, at: dueAt - faultAt, latencyMs, error: error as Error })
  } finally {
    clearTimeout(late)
  }
}

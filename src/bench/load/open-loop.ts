/**
 * Sends every call when it is due, whatever became of the calls before it. The latency of a call counts from when it was
 * due, so that a stall of the service or of this process shows in all calls that it made late.
 */
import type { Dispatcher } from 'undici'
import type { Clock, Timer } from '../../core/clock.ts'
import { NOT_SENT, Recording } from './recording.ts'
import type { Schedule } from './schedule.ts'
import { CallHandler, type Load } from './sender.ts'

/** How the calls of one arm are sent. */
export interface Target {
  readonly dispatcher: Dispatcher
  readonly request: Dispatcher.DispatchOptions
}

export interface LoadOptions {
  readonly targets: readonly Target[]
  readonly schedule: Schedule
  /** Of calls. One that is due beyond it is not sent. */
  readonly maxInFlight: number
  readonly timeoutMs: number
  readonly clock: Clock
  /** Ends the load early. */
  readonly signal: AbortSignal
  /** Called around the dispatch of each call: with its index, then with undefined. */
  readonly dispatching?: (call: number | undefined) => void
}

/** Timers are up to a ms late, and more on a busy machine: the last ms before a call are waited for without one. */
const SPIN_MS = 2
/** How often calls are compared with their time limit, and the signal is looked at. */
const SWEEP_MS = 20
/** A start in the future, so that the first calls are not late. */
const HEAD_START_MS = 20

export class OpenLoop implements Load {
  readonly recording: Recording
  /** Of the last call that failed without a response. */
  lastError: Error | undefined = undefined
  readonly #options: LoadOptions
  readonly #inFlight = new Set<CallHandler>()
  readonly #startedAt: number
  readonly #done: PromiseWithResolvers<void> = Promise.withResolvers()
  #sweep: Timer | undefined = undefined
  #hasScheduled = false

  constructor(options: LoadOptions) {
    this.#options = options
    this.recording = new Recording(options.schedule)
    this.#startedAt = options.clock.now() + HEAD_START_MS
  }

  now(): number {
    return this.#options.clock.now() - this.#startedAt
  }

  /** Ends when the last call is over, or soon after the signal. */
  async run(): Promise<void> {
    this.#armSweep()
    this.#tick()
    await this.#done.promise
    this.#sweep?.cancel()
  }

  ended(call: CallHandler, error?: Error): void {
    this.lastError = error ?? this.lastError
    this.#inFlight.delete(call)
    this.#endIfOver()
  }

  readonly #tick = (): void => {
    if (this.#hasScheduled) return
    if (this.#options.signal.aborted) return this.#finishScheduling()
    const { recording } = this
    const { dueMs } = recording
    while (recording.count < dueMs.length && (dueMs[recording.count] ?? 0) <= this.now())
      this.#send(recording.count++)
    if (recording.count === dueMs.length) return this.#finishScheduling()
    const waitMs = (dueMs[recording.count] ?? 0) - this.now()
    const { clock } = this.#options
    if (waitMs > SPIN_MS) clock.setTimer(this.#tick, waitMs - SPIN_MS, true)
    else clock.afterIo(this.#tick)
  }

  #send(call: number): void {
    const { recording } = this
    const { targets, maxInFlight, dispatching } = this.#options
    const target = targets[recording.arm[call] ?? 0]
    if (target === undefined || this.#inFlight.size >= maxInFlight) {
      recording.outcome[call] = NOT_SENT
      return
    }
    const handler = new CallHandler(call, this)
    this.#inFlight.add(handler)
    dispatching?.(call)
    try {
      target.dispatcher.dispatch(target.request, handler)
    } catch (error) {
      // undici throws for requests that it refuses.
      handler.onResponseError(undefined as never, error as Error)
    } finally {
      dispatching?.(undefined)
    }
  }

  #finishScheduling(): void {
    this.#hasScheduled = true
    this.#endIfOver()
  }

  #endIfOver(): void {
    if (this.#hasScheduled && this.#inFlight.size === 0) this.#done.resolve()
  }

  /** One timer for all calls, since one for each would cost more than the call. The set is in the order of sending. */
  #armSweep(): void {
    this.#sweep = this.#options.clock.setTimer(() => {
      const { timeoutMs, signal } = this.#options
      const limit = this.now() - timeoutMs
      if (signal.aborted) this.#finishScheduling()
      for (const call of this.#inFlight) {
        if (signal.aborted) call.giveUp('interrupted')
        else if (call.sentMs <= limit) call.giveUp('timeout')
        else break
      }
      this.#armSweep()
    }, SWEEP_MS)
  }
}

/** One call that is over. */
export interface SingleCall {
  readonly ms: number
  /** Why it failed; undefined if it succeeded. */
  readonly failure: string | undefined
}

/**
 * Sends one call, as the load will.
 * @param signal cancels it
 * @throws the signal's reason
 */
export async function sendOnce(
  target: Target,
  clock: Clock,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<SingleCall> {
  const schedule: Schedule = { dueMs: new Float64Array(1), arm: new Uint8Array(1) }
  const loop = new OpenLoop({ targets: [target], schedule, maxInFlight: 1, timeoutMs, clock, signal })
  await loop.run()
  signal.throwIfAborted()
  const { recording, lastError } = loop
  const kind = recording.failureOf(0)
  return {
    ms: (recording.endMs[0] ?? 0) - (recording.sentMs[0] ?? 0),
    failure: kind === undefined || lastError === undefined ? kind : `${kind} (${lastError.message})`,
  }
}

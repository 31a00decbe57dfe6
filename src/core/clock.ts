/**
 * Time and randomness, as arguments.
 *
 * All that waits, expires, decays or draws takes a `Clock` and a `Random`, so that tests run on virtual time with a seed.
 * Only this file of the library touches `performance`, `Date`, `setTimeout` and `Math.random`; the linter checks it.
 */
import { randomInt } from 'node:crypto'
// Node's own, not the globals: a test runner's fake timers must not stop a call, and jsdom's timers are numbers. The global
// `performance` is also slower, since a getter finds it anew at each use.
import { performance } from 'node:perf_hooks'
import { clearTimeout, setImmediate, setTimeout } from 'node:timers'

/** A timer that can be taken back. Cancelling twice, or after it has fired, does nothing. */
export interface Timer {
  /** Takes the timer back. */
  cancel(): void
}

/** Time as an argument, so that tests run on virtual time (`manualClock` of `onehop/testing`). */
export interface Clock {
  /** Milliseconds on a monotonic scale: never jumps when the wall clock is set. Its zero means nothing. */
  now(): number
  /**
   * Calls back once after `delayMs`.
   * @param awaited whether a caller waits for it, so that it keeps the process alive as a socket would; without
   *   it a process would end while its last call is between two attempts [false]
   */
  setTimer(callback: () => void, delayMs: number, awaited?: boolean): Timer
  /**
   * Calls back after the pending callbacks of sockets: a process that was busy must not take its own delay for that of others.
   */
  afterIo(callback: () => void): void
}

/** Randomness as an argument, so that tests are seeded (`seededRandom` of `onehop/testing`). */
export interface Random {
  /** Uniform in [0, 1). */
  next(): number
}

// setTimeout takes 1 for anything above 2^31 - 1 ms: a wait of a month would fire at once.
const MAX_TIMEOUT_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer(callback, delayMs, awaited = false) {
    // Whole ms, and never early.
    const timeout = setTimeout(callback, Math.min(Math.ceil(delayMs), MAX_TIMEOUT_MS))
    if (!awaited) timeout.unref()
    return { cancel: () => clearTimeout(timeout) }
  },
  afterIo: (callback) => void setImmediate(callback),
}

export const systemRandom: Random = {
  next: () => Math.random(),
}

/** Node's own, for the same reason as above. Sockets begin to connect in the next tick. */
export const nextTick: (callback: () => void) => void = process.nextTick.bind(process)

/** Keeps the process alive until it is cancelled, e.g. while a call waits for discovery, whose timers do not. */
export function keepAlive(clock: Clock): Timer {
  return clock.setTimer(() => undefined, MAX_TIMEOUT_MS, true)
}

/** The same clock for work in the background: none of its timers keeps the process alive. */
export function unawaited(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    setTimer: (callback, delayMs) => clock.setTimer(callback, delayMs),
    afterIo: (callback) => clock.afterIo(callback),
  }
}

/**
 * Calls back when others have had their time, once what sockets have brought by then has been read. Timers fire before sockets
 * are read: in a process that was busy, the answer may be there already.
 * @param awaited as for `setTimer` [false]
 */
export function setLimit(clock: Clock, limitMs: number, onOver: () => void, awaited = false): Timer {
  let isCancelled = false
  const over = (): void => {
    if (!isCancelled) onOver()
  }
  const timer = clock.setTimer(() => clock.afterIo(over), limitMs, awaited)
  return {
    cancel: () => {
      isCancelled = true
      timer.cancel()
    },
  }
}

/** An unpredictable integer in [0, max): DNS ids are the only guard against forged answers. */
export function unguessableInt(max: number): number {
  return randomInt(max)
}

/** Resolves after `delayMs`, or rejects with the signal's reason as soon as it aborts. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = clock.setTimer(resolve, delayMs, true)
  const onAbort = (): void => reject(signal?.reason as Error)
  signal?.addEventListener('abort', onAbort, { once: true })
  return promise.finally(() => {
    timer.cancel()
    signal?.removeEventListener('abort', onAbort)
  })
}

/**
 * Milliseconds from now, on the wall clock, to an HTTP date (RFC 9110 section 5.6.7); 0 for one that is past.
 * @returns undefined if it is not a date
 */
export function untilHttpDate(text: string): number | undefined {
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}

/** The wall clock's, for people; the clock for everything else is {@link Clock}. */
export function currentDate(): Date {
  return new Date()
}

/** @returns undefined if it is not a date */
export function dateOf(text: string): Date | undefined {
  const date = new Date(text)
  return Number.isNaN(date.getTime()) ? undefined : date
}

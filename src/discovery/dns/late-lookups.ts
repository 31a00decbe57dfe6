import type { Clock } from '../../core/clock.ts'
import type { Found } from './lookup.ts'

/** RFC 8305 section 3, the "Resolution Delay": how long answers that are there wait for those that are not. */
export const RESOLUTION_DELAY_MS = 50

/** Until the next lookup of the name, which follows an incomplete answer after a second. */
const KEPT_MS = 2_000

/** One of several lookups that make up an answer together. */
export interface Part {
  /** Distinguishes it from others, of other names too. */
  readonly key: string
  readonly lookUp: (signal: AbortSignal) => Promise<Found>
}

/** undefined: it is late. */
export type PartResult = PromiseSettledResult<Found> | undefined

interface UnderWay {
  readonly abort: AbortController
  readonly settled: Promise<void>
  result: PromiseSettledResult<Found> | undefined
  /** On the clock. */
  settledAt: number
  /** Lookups of the name that wait for it. */
  waiting: number
}

/**
 * Lookups that go on after the answer that they were to be a part of was given without them. The next lookup of the
 * same name finds what has come of them, or waits for them once more.
 */
export class LateLookups {
  readonly #clock: Clock
  readonly #underWay = new Map<string, UnderWay>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * What the parts brought: all of them, or what is there 50 ms after one of them has found endpoints.
   * @throws the signal's reason as soon as it aborts, which ends the parts as well
   */
  async gather(parts: readonly Part[], signal: AbortSignal): Promise<readonly PartResult[]> {
    signal.throwIfAborted()
    const begun = parts.map((part) => this.#begin(part))
    for (const one of begun) one.waiting++
    try {
      await this.#enough(begun, signal)
    } catch (reason) {
      for (const [index, { abort, waiting }] of begun.entries()) {
        if (waiting > 1) continue
        abort.abort(reason)
        this.#underWay.delete(parts[index]?.key ?? '')
      }
      throw reason
    } finally {
      for (const one of begun) one.waiting--
    }
    return begun.map(({ result, settledAt }, index) => {
      if (result === undefined) return undefined
      this.#underWay.delete(parts[index]?.key ?? '')
      return aged(result, this.#clock.now() - settledAt)
    })
  }

  /** Ends what is under way. */
  close(reason: Error): void {
    for (const { abort } of this.#underWay.values()) abort.abort(reason)
    this.#underWay.clear()
  }

  #begin({ key, lookUp }: Part): UnderWay {
    const now = this.#clock.now()
    // Results that were never fetched: few, since parts are late seldom, and the names that are asked for are few.
    for (const [other, { settledAt }] of this.#underWay)
      if (now - settledAt > KEPT_MS) this.#underWay.delete(other)
    const known = this.#underWay.get(key)
    if (known !== undefined) return known
    const abort = new AbortController()
    const begun: UnderWay = {
      abort,
      result: undefined,
      settledAt: Number.POSITIVE_INFINITY,
      waiting: 0,
      settled: Promise.allSettled([lookUp(abort.signal)]).then(([result]) => {
        begun.result = result
        begun.settledAt = this.#clock.now()
        return undefined
      }),
    }
    this.#underWay.set(key, begun)
    return begun
  }

  #enough(begun: readonly UnderWay[], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onAbort = (): void => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    let missing = begun.length
    let timer: ReturnType<Clock['setTimer']> | undefined
    const onSettled = ({ result }: UnderWay): void => {
      if (--missing === 0) resolve()
      else if (result?.status === 'fulfilled' && result.value.endpoints.length > 0)
        timer ??= this.#clock.setTimer(resolve, RESOLUTION_DELAY_MS)
    }
    if (missing === 0) resolve()
    for (const one of begun) void one.settled.then(() => onSettled(one))
    return promise.finally(() => {
      timer?.cancel()
      signal.removeEventListener('abort', onAbort)
    })
  }
}

/** Its TTL has run since it came. */
function aged(result: PromiseSettledResult<Found>, ageMs: number): PromiseSettledResult<Found> {
  if (result.status === 'rejected' || ageMs === 0) return result
  return { ...result, value: { ...result.value, ttlMs: Math.max(0, result.value.ttlMs - ageMs) } }
}

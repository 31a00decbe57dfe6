import { abortable } from '../../core/async/abortable.ts'
import { settlesWithin } from '../../core/async/settles-within.ts'
import type { Clock } from '../../core/clock.ts'
import type { Ask, LookUp, LookUps, Result, Results } from './lookup.ts'

/** RFC 8305 section 3, the "Resolution Delay": how long answers that are there wait for those that are not. */
export const RESOLUTION_DELAY_MS = 50

/** Until the next lookup of the name, which follows an incomplete answer after a second. */
const KEPT_MS = 2_000

/** One of several lookups that make up an answer together. */
interface Part {
  /** Host and name. */
  readonly key: string
  readonly abort: AbortController
  readonly settled: Promise<void>
  result: Result
  /** On the clock. */
  settledAt: number
  /** Lookups of the host that wait for it. */
  waiting: number
}

/**
 * Lookups that go on after the answer that they were to be a part of was given without them. The next lookup of the
 * same host finds what has come of them, or waits for them once more.
 */
export class LateLookups {
  readonly #clock: Clock
  readonly #asking: (host: string, signal: AbortSignal) => Ask
  /** By key. */
  readonly #parts = new Map<string, Part>()

  /** @param asking how questions for a host are asked */
  constructor(clock: Clock, asking: (host: string, signal: AbortSignal) => Ask) {
    this.#clock = clock
    this.#asking = asking
  }

  /**
   * What the parts of a host's answer brought: all of them, or what is there 50 ms after one of them has found endpoints.
   * @throws the signal's reason as soon as it aborts, which ends the parts as well
   */
  async gather(host: string, lookUps: LookUps, signal: AbortSignal): Promise<Results> {
    signal.throwIfAborted()
    const parts = new Map(Array.from(lookUps, ([name, lookUp]) => [name, this.#begin(host, name, lookUp)]))
    for (const part of parts.values()) part.waiting++
    try {
      await this.#waitForParts([...parts.values()], signal)
    } catch (reason) {
      for (const { key, abort, waiting } of parts.values()) {
        if (waiting > 1) continue
        abort.abort(reason)
        this.#parts.delete(key)
      }
      throw reason
    } finally {
      for (const part of parts.values()) part.waiting--
    }
    return new Map(Array.from(parts, ([name, part]) => [name, this.#take(part)]))
  }

  /** Ends what is under way. */
  close(reason: Error): void {
    for (const { abort } of this.#parts.values()) abort.abort(reason)
    this.#parts.clear()
  }

  #begin(host: string, name: string, lookUp: LookUp): Part {
    const key = `${host} ${name}`
    const now = this.#clock.now()
    // Results that were never fetched: few, since parts are late seldom, and the names that are asked for are few.
    for (const [other, { settledAt }] of this.#parts) if (now - settledAt > KEPT_MS) this.#parts.delete(other)
    const known = this.#parts.get(key)
    if (known !== undefined) return known
    const abort = new AbortController()
    const part: Part = {
      key,
      abort,
      result: undefined,
      settledAt: Number.POSITIVE_INFINITY,
      waiting: 0,
      settled: Promise.allSettled([lookUp(this.#asking(host, abort.signal))]).then(([result]) => {
        part.result = result
        part.settledAt = this.#clock.now()
        return undefined
      }),
    }
    this.#parts.set(key, part)
    return part
  }

  async #waitForParts(parts: readonly Part[], signal: AbortSignal): Promise<void> {
    const all = Promise.all(parts.map(({ settled }) => settled))
    const found = new Promise<void>((resolve) => {
      for (const part of parts) void part.settled.then(() => hasEndpoints(part.result) && resolve())
    })
    await abortable(Promise.race([all, found]), signal)
    await abortable(settlesWithin(this.#clock, RESOLUTION_DELAY_MS, all), signal)
  }

  /** What came of it, which is fetched once. Its TTL has run since it came. */
  #take({ key, result, settledAt }: Part): Result {
    if (result === undefined) return undefined
    this.#parts.delete(key)
    if (result.status === 'rejected') return result
    const ttlMs = Math.max(0, result.value.ttlMs - (this.#clock.now() - settledAt))
    return { ...result, value: { ...result.value, ttlMs } }
  }
}

function hasEndpoints(result: Result): boolean {
  return result?.status === 'fulfilled' && result.value.endpoints.length > 0
}

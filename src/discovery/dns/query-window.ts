import { setLimit, type Clock, type Timer } from '../../core/clock.ts'

/**
 * Who goes first where places are short: names that have answered before, then names that have not, then those that were
 * silent a moment ago.
 */
export type Rank = 'known' | 'new' | 'silent'

export interface WindowLimits {
  /** Queries under way. */
  readonly places: number
  /** A query without an answer for this long gives its place to the next, and is waited for beside. */
  readonly overdueMs: number
  /** Overdue queries under way. */
  readonly maxOverdue: number
  /** Queries that wait for a place, but for those of known names. */
  readonly maxWaiting: number
  readonly maxWaitMs: number
}

/**
 * Each query has one socket and one packet on its way. The VPC's resolver drops what exceeds 1,024 packets a
 * second and network interface, and the task's own lookups count, too: a client that starts with a thousand
 * names must not send them all at once. As a window and not as a rate: cached answers take about a millisecond,
 * while packets that are dropped hold places, so that the rate falls when the resolver is not keeping up, and nowhere
 * else: to 640 a second, and 256 once as many are overdue.
 */
const LIMITS: WindowLimits = {
  places: 64,
  // A recursive answer takes some tens of ms.
  overdueMs: 100,
  // A socket each, of the 1,024 files that a process may have open unless the limit was raised.
  maxOverdue: 192,
  maxWaiting: 1_000,
  // A caller that waits longer has usually given up.
  maxWaitMs: 5_000,
}

/** It waited for a place, and is refused instead. */
export class CrowdedError extends Error {}

interface Waiting {
  readonly enter: () => void
  readonly refuse: () => void
}

/** Holds a place, until it is over or overdue. */
interface Running {
  readonly since: number
}

/**
 * Bounds the queries under way, so that names whose servers are silent delay no others: a caller that chooses names (a
 * proxy's callers, say) could otherwise take all places for seconds.
 *
 * New names are served newest first: of a crowd that comes at once most have no waiting caller any more by the
 * time they would be served, and a name that comes after the crowd must not wait behind it. Where more wait than may,
 * the one that has waited longest is refused.
 */
export class QueryWindow {
  readonly #clock: Clock
  readonly #limits: WindowLimits
  /** The oldest first. */
  readonly #waiting: Readonly<Record<Rank, Waiting[]>> = { known: [], new: [], silent: [] }
  /** In the order in which they began. */
  readonly #running = new Set<Running>()
  #overdue = 0
  #timer: Timer | undefined

  /** @param limits others than those of a client, for tests */
  constructor(clock: Clock, limits: WindowLimits = LIMITS) {
    this.#clock = clock
    this.#limits = limits
  }

  /**
   * Runs `work` when there is a place for it, and gives the place back when it has settled.
   * @throws CrowdedError when too many wait, or it has waited too long; the signal's reason as soon as it aborts while
   *   waiting. `work` is then never run
   */
  async run<Result>(signal: AbortSignal, rank: Rank, work: () => Promise<Result>): Promise<Result> {
    const place = await this.#enter(signal, rank)
    try {
      return await work()
    } finally {
      if (!this.#running.delete(place)) this.#overdue--
      this.#admit()
    }
  }

  #enter(signal: AbortSignal, rank: Rank): Promise<Running> {
    const waiting = this.#waiting[rank]
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error)
      const leave = (): void => {
        waiting.splice(waiting.lastIndexOf(turn), 1)
        limit.cancel()
        signal.removeEventListener('abort', onAbort)
      }
      const onAbort = (): void => {
        leave()
        reject(signal.reason as Error)
        this.#admit()
      }
      const turn: Waiting = {
        enter: () => {
          leave()
          const place = { since: this.#clock.now() }
          this.#running.add(place)
          resolve(place)
        },
        refuse: () => {
          const count = this.#crowd + this.#waiting.known.length
          leave()
          reject(new CrowdedError(`too many names are asked for at once: ${count} queries wait`))
        },
      }
      const limit = setLimit(this.#clock, this.#limits.maxWaitMs, turn.refuse)
      waiting.push(turn)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#admit()
      this.#refuseOldest()
    })
  }

  /** Lets in as many as there are places for, those of queries that are overdue by now among them. */
  #admit(): void {
    const { places, overdueMs } = this.#limits
    this.#timer?.cancel()
    this.#timer = undefined
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (this.#running.size >= places && !this.#makeRoom()) {
        const [oldest] = this.#running
        const inMs = (oldest?.since ?? 0) + overdueMs - this.#clock.now()
        // Else the end of one that is overdue is waited for, which comes by itself.
        if (inMs > 0) this.#timer = this.#clock.setTimer(() => this.#admit(), inMs)
        return
      }
      next.enter()
    }
  }

  /** Takes the place of the query that has held one for longest, if that is long enough. */
  #makeRoom(): boolean {
    const { overdueMs, maxOverdue } = this.#limits
    const [oldest] = this.#running
    if (oldest === undefined || this.#overdue >= maxOverdue) return false
    if (this.#clock.now() - oldest.since < overdueMs) return false
    this.#running.delete(oldest)
    this.#overdue++
    return true
  }

  #next(): Waiting | undefined {
    const { known, silent } = this.#waiting
    return known[0] ?? this.#waiting.new.at(-1) ?? silent[0]
  }

  /** Those that wait and are not known. */
  get #crowd(): number {
    return this.#waiting.new.length + this.#waiting.silent.length
  }

  #refuseOldest(): void {
    if (this.#crowd <= this.#limits.maxWaiting) return
    const oldest = this.#waiting.silent[0] ?? this.#waiting.new[0]
    oldest?.refuse()
  }
}

/**
 * When `auto` calls the Cloud Map API next, for one name: now, later, or not before the next full read.
 *
 * Calls cost money, and most bring nothing new. So the API is called for news: DNS names another set, or a call met a
 * task that refuses, drains or is ejected. A change seldom comes alone (a deployment, the successor of a task that
 * died), so the revision is polled for a while after it. What remains is a full read every five minutes where DNS
 * watches, and a poll a minute where DNS knows nothing.
 *
 * Pure: time and randomness are arguments.
 */
import { fullJitter, spread } from '../../core/async/jitter.ts'
import type { Random } from '../../core/clock.ts'

/** After a change or a sign of one: as often as `api` polls. */
const POLL_MS = 5_000
/** For so long after the last of them. Rolling deployments go on every few seconds. */
const WATCH_MS = 20_000
/** Of each further poll to the next, where DNS knows nothing. */
const GROWTH = 2
const MAX_POLL_MS = 60_000
/** The same for a service without tasks, which may get some at any moment. */
const MAX_EMPTY_POLL_MS = 10_000
/** Health does not change the revision, and where DNS knows nothing only reads show it. They cost as much as polls. */
const READ_MS = 30_000
/** Where DNS watches. */
const WATCHED_READ_MS = 300_000
/**
 * - `dns`: DNS names another set, or stopped answering
 * - `call`: a call met a task that refuses, drains or is ejected
 * - `failing`: the same, and calls fail until the change is known
 */
export type News = 'dns' | 'call' | 'failing'
/**
 * The reads of a fleet that has the same news are spread over this time. All clients of a resolver get the answer of DNS at
 * the same moment. Their calls meet a task one after the other; longer, and more attempts reach dead tasks than with polls.
 */
const SPREAD_MS: Readonly<Record<News, number>> = { dns: 2_000, call: 500, failing: 0 }
/** Between two reads for news, at first. */
const MIN_FLOOR_MS = 2_000
/** News that has brought nothing so often does not start polls any more. */
const MAX_WATCH_FLOOR_MS = 8_000
/** Calls fail meanwhile: half of the usual wait between two reads, and at most that of a service without tasks. */
const URGENT_RATIO = 0.5
const MAX_URGENT_FLOOR_MS = MAX_EMPTY_POLL_MS
/** A fleet that started together must not poll in step. */
const JITTER_RATIO = 0.1

export interface PaceOptions {
  /** A fixed interval of polls, in ms [as above]. */
  readonly revisionMs?: number | undefined
  /** A fixed interval of full reads, in ms [as above]. */
  readonly fullReadMs?: number | undefined
}

/** What an answer of the API was. */
export interface ReadResult {
  /** Other endpoints than before, in whatever way. */
  readonly isChange: boolean
  /** Other registrations: more of them may follow. A change of health is over when it is seen. */
  readonly isMove: boolean
  readonly isEmpty: boolean
  /** A read of the instances, and not only of their revision. */
  readonly isRead: boolean
  /** DNS names tasks of this name, too. */
  readonly isWatched: boolean
}

/** News of one origin. A dead task that calls keep on meeting must not make the news of DNS wait. */
class Origin {
  /** When it had news last, on the clock. */
  newsAt = Number.NEGATIVE_INFINITY
  /** It has news that no call was made for yet. */
  hasNews = false
  /** The call under way, or the last one, was made for its news. */
  isAsked = false
  /**
   * Between two reads for its news. Doubled by each that brought nothing: a dead task that stays registered, or a
   * resolver that serves old answers now and then, costs no more than the full reads.
   */
  floorMs = MIN_FLOOR_MS
}

export class ReadSchedule {
  readonly #options: PaceOptions
  readonly #random: Random
  /** All on the clock. */
  #dueAt = Number.NEGATIVE_INFINITY
  #calledAt = Number.NEGATIVE_INFINITY
  #fullReadAt = Number.NEGATIVE_INFINITY
  #watchUntil = Number.NEGATIVE_INFINITY
  readonly #dns = new Origin()
  readonly #calls = new Origin()
  readonly #origins: readonly Origin[] = [this.#dns, this.#calls]
  #pollMs = POLL_MS
  #failures = 0

  constructor(random: Random, options: PaceOptions = {}) {
    this.#random = random
    this.#options = options
  }

  /** When the next call is due, on the clock; Infinity while one is under way. */
  get dueAt(): number {
    return this.#dueAt
  }

  /** A call begins. @returns whether it has to read the instances, or may ask for their revision */
  begin(now: number): boolean {
    for (const origin of this.#origins) {
      origin.isAsked = origin.hasNews
      origin.hasNews = false
    }
    this.#calledAt = now
    this.#dueAt = Number.POSITIVE_INFINITY
    return this.#origins.some(({ isAsked }) => isAsked) || now >= this.#fullReadAt
  }

  /** There is a sign that something has changed. */
  addNews(now: number, news: News): void {
    const isUrgent = news === 'failing'
    const origin = news === 'dns' ? this.#dns : this.#calls
    if (now - origin.newsAt > WATCHED_READ_MS) origin.floorMs = MIN_FLOOR_MS
    origin.newsAt = now
    // A second sign of the same must not draw a second, earlier moment.
    if (origin.hasNews && !isUrgent) return
    origin.hasNews = true
    if (origin.floorMs <= MAX_WATCH_FLOOR_MS) this.#watch(now)
    const at = now + SPREAD_MS[news] * this.#random.next()
    const floorMs = isUrgent ? Math.min(origin.floorMs * URGENT_RATIO, MAX_URGENT_FLOOR_MS) : origin.floorMs
    this.#dueAt = Math.min(this.#dueAt, Math.max(at, this.#calledAt + floorMs))
  }

  /** DNS does not watch any more: polls begin, however seldom its news is read. */
  pollWithoutDns(now: number): void {
    this.addNews(now, 'dns')
    const { revisionMs = this.#pollMs } = this.#options
    this.#dueAt = Math.min(this.#dueAt, now + spread(revisionMs, JITTER_RATIO, this.#random))
  }

  /** What is known may be old: the next call is due. */
  expire(): void {
    this.#dueAt = Number.NEGATIVE_INFINITY
  }

  /** The call that began last has an answer. */
  answered(now: number, { isChange, isMove, isEmpty, isRead, isWatched }: ReadResult): void {
    const { revisionMs, fullReadMs = isWatched ? WATCHED_READ_MS : READ_MS } = this.#options
    for (const origin of this.#origins) {
      if (isChange) origin.floorMs = MIN_FLOOR_MS
      else if (origin.isAsked) origin.floorMs = Math.min(origin.floorMs * 2, WATCHED_READ_MS)
    }
    if (isMove) this.#watch(now)
    // A change of health alone, and DNS has it, too.
    else if (isChange && isWatched) this.#watchUntil = now
    const isQuiet = now >= this.#watchUntil
    if (isQuiet) this.#pollMs = Math.min(this.#pollMs * GROWTH, isEmpty ? MAX_EMPTY_POLL_MS : MAX_POLL_MS)
    if (isRead) this.#fullReadAt = now + spread(fullReadMs, JITTER_RATIO, this.#random)
    const pollMs = revisionMs ?? (isQuiet && isWatched ? Number.POSITIVE_INFINITY : this.#pollMs)
    const pollAt = now + spread(pollMs, JITTER_RATIO, this.#random)
    // Else a poll is a read, if it comes later than that.
    const hasReads = isWatched || this.#options.fullReadMs !== undefined
    this.#failures = 0
    // News that came meanwhile keeps its own time.
    this.#dueAt = Math.min(this.#dueAt, pollAt, hasReads ? this.#fullReadAt : pollAt)
  }

  /** The call that began last failed: again later, and what was news still is. */
  failed(now: number): void {
    this.#failures++
    for (const origin of this.#origins) origin.hasNews ||= origin.isAsked
    this.#dueAt = now + fullJitter(this.#failures, POLL_MS, MAX_POLL_MS, this.#random, JITTER_RATIO)
  }

  #watch(now: number): void {
    this.#watchUntil = now + WATCH_MS
    this.#pollMs = POLL_MS
  }
}

/**
 * Finds upstreams that answer much worse than their peers.
 *
 * Fargate services run two to six tasks, where the usual rules never act: Envoy wants 5 hosts with 100 requests each and
 * ejects one in ten. Here one upstream is compared with all others together, by statistics that hold for small numbers,
 * so two tasks are enough. If all fail alike (a bad request, a database that is down), none is ejected: that would
 * remove capacity and mend nothing.
 * Pure: time is an argument.
 */
import { RollingWindow } from '../../core/rolling-window.ts'

/** When a task that answers, but fails, is ejected. Defaults in brackets; times in ms. */
export interface OutlierOptions {
  /** Length of the first ejection; each further one is longer by as much, up to 300 s [10000]. */
  readonly baseMs: number
  /** Largest share of the tasks that may be ejected for failures; the last available one never is [0.5]. */
  readonly maxEjectedRatio: number
}

export const DEFAULT_OUTLIER: OutlierOptions = { baseMs: 10_000, maxEjectedRatio: 0.5 }

// These three are constants, not options: half or double the value of each changes the success of no scenario by more than 0.5
// percentage points (docs/decisions/016).
/** Window of the rates; it forgets a sixth of itself at a time. */
export const OUTLIER_WINDOW_MS = 30_000
const SLOTS = 6
/** Answers of the upstream, and of its peers, below which their rates are not compared. */
const MIN_SAMPLES = 20
/** Failures in a row that eject an upstream, if its peers do not fail like that. */
const MIN_RUN = 5

/**
 * z of a 99 % interval. Every failure is a look at the numbers, and enough looks find a random difference. Measured
 * with four tasks that all fail one call in ten, at 100 calls a second for 200 s: 0.1 false ejections, and 1.2 with 95 %.
 */
const Z = 2.576

/**
 * A run of failures counts as the upstream's own if its peers' failure rate makes it less likely than this. A busy
 * cluster sees tens of thousands of runs begin in a minute, so a likelier run would occur at random.
 *
 * The rate is the higher one of two: over the whole window, and of calls that began after the run did. When something
 * goes down that all tasks depend on, one task is the first to have a run, and the rate over the window is still good.
 * Nine good answers of peers show that a run of five is not of that kind, and three do for a run of eight.
 */
const MAX_RUN_PROBABILITY = 0.00001

/**
 * An outlier's failure rate is at least 3 times, and at least 5 percentage points above, that of its peers. Failures come
 * in bursts, for which intervals of independent answers are too narrow: a task with more calls in a burst looks worse.
 */
const MIN_RATE_FACTOR = 3
const MIN_RATE_EXCESS = 0.05

/** Counts of good and bad answers. */
interface Answers {
  good: number
  bad: number
}

const GOOD = 0
const BAD = 1

/** Good and bad answers of the window. All forget at the same moments, so one can be subtracted from another. */
function recentAnswers(): RollingWindow {
  return new RollingWindow(SLOTS, OUTLIER_WINDOW_MS / SLOTS, 2, 0)
}

/** How one upstream answers. Written by the detector alone. */
export class AnswerRecord {
  readonly recent: RollingWindow = recentAnswers()
  failuresInARow = 0
  /** Answers of the whole cluster when the run of failures began. */
  readonly atRun: Answers = { good: 0, bad: 0 }
  /** Its own answers after its first recent failure. */
  readonly own: Answers = { good: 0, bad: 0 }
  /** Answers of the whole cluster at that failure. */
  readonly atFirst: Answers = { good: 0, bad: 0 }
  /** Time of that failure, on the clock. */
  firstAt: number = Number.NEGATIVE_INFINITY
}

/**
 * Counts the answers of a cluster's upstreams and judges an upstream that has just failed.
 *
 * The upstream is compared with its peers since its first recent failure. Before that all were alike. And when something
 * goes down that all depend on, one task is the first to fail, while its peers still answer older calls.
 */
export class OutlierDetector {
  readonly options: OutlierOptions
  /** Of upstreams that are not ejected, in the window. */
  readonly #recent: RollingWindow = recentAnswers()
  /** Of all upstreams, ever. */
  readonly #ever: Answers = { good: 0, bad: 0 }
  readonly #pendingCalls: () => number

  /** @param pendingCalls returns how many calls of the cluster have no answer yet */
  constructor(options: OutlierOptions, pendingCalls: () => number) {
    this.options = options
    this.#pendingCalls = pendingCalls
  }

  succeeded(record: AnswerRecord, now: number): void {
    record.failuresInARow = 0
    record.own.good++
    record.recent.add(GOOD, now)
    this.#recent.add(GOOD, now)
    this.#ever.good++
  }

  /** @returns why the upstream is an outlier now; undefined if it is none */
  failed(record: AnswerRecord, now: number): string | undefined {
    if (record.failuresInARow === 0) this.#mark(record.atRun)
    if (now - record.firstAt > OUTLIER_WINDOW_MS) this.#begin(record, now)
    else record.own.bad++
    record.failuresInARow++
    record.recent.add(BAD, now)
    this.#recent.add(BAD, now)
    this.#ever.bad++
    return this.#judgeRun(record, now) ?? this.#judgeRate(record)
  }

  /** The upstream is ejected: its answers count neither for the others nor after its readmission. */
  ejected(record: AnswerRecord, now: number): void {
    this.#recent.subtract(record.recent, now)
    record.recent.clear()
    record.failuresInARow = 0
    record.firstAt = Number.NEGATIVE_INFINITY
  }

  #judgeRun(record: AnswerRecord, now: number): string | undefined {
    const { failuresInARow: run, recent, atRun } = record
    if (run < MIN_RUN) return undefined
    const sinceRun = this.#peersSince(atRun, { good: 0, bad: run })
    const overall = {
      good: this.#recent.total(GOOD, now) - recent.total(GOOD, now),
      bad: this.#recent.total(BAD, now) - recent.total(BAD, now),
    }
    const rate = Math.max(failureRate(sinceRun), failureRate(overall))
    return rate ** run < MAX_RUN_PROBABILITY ? `${run} failures in a row` : undefined
  }

  #judgeRate({ own, atFirst }: AnswerRecord): string | undefined {
    // The first failure caused the comparison, so it is not a sample.
    const peers = this.#peersSince(atFirst, { good: own.good, bad: own.bad + 1 })
    if (own.good + own.bad < MIN_SAMPLES || peers.good + peers.bad < MIN_SAMPLES) return undefined
    const peersRate = peers.bad / (peers.good + peers.bad)
    const rate = own.bad / (own.good + own.bad)
    if (rate < Math.max(MIN_RATE_FACTOR * peersRate, peersRate + MIN_RATE_EXCESS)) return undefined
    const best = wilson(own.good, own.good + own.bad, Z)
    const peersWorst = wilson(peers.good, peers.good + peers.bad, -Z)
    if (best >= peersWorst) return undefined
    return `${percent(own)} of its answers are good, and ${percent(peers)} of its peers'`
  }

  /** Leaves out as many answers as calls were pending then: older calls may have caused them. */
  #peersSince(mark: Answers, own: Answers): Answers {
    return {
      good: Math.max(0, this.#ever.good - mark.good - own.good),
      bad: Math.max(0, this.#ever.bad - mark.bad - own.bad),
    }
  }

  #begin(record: AnswerRecord, now: number): void {
    record.firstAt = now
    record.own.good = 0
    record.own.bad = 0
    this.#mark(record.atFirst)
  }

  #mark(mark: Answers): void {
    mark.good = this.#ever.good + this.#pendingCalls()
    mark.bad = this.#ever.bad
  }
}

/** Laplace's rule of succession: without answers the rate is a half, and few failures do not make it 1. */
function failureRate({ good, bad }: Answers): number {
  return (bad + 1) / (good + bad + 2)
}

/**
 * Wilson's bound of a success rate, from a sample of `good` out of `total`.
 * E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22 (1927).
 * @param z of the interval: positive for the upper bound, negative for the lower
 */
export function wilson(good: number, total: number, z: number): number {
  const rate = good / total
  const square = z * z
  const centre = rate + square / (2 * total)
  const margin = z * Math.sqrt((rate * (1 - rate) + square / (4 * total)) / total)
  return (centre + margin) / (1 + square / total)
}

function percent({ good, bad }: Answers): string {
  return `${Math.round((100 * good) / (good + bad))} %`
}

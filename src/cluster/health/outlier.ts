/**
 * Whether an upstream that answers does so markedly worse than its peers.
 *
 * Fargate services run two to six tasks, where the usual rules never act: Envoy wants 5 hosts with 100 requests
 * each, and ejects one in ten. What is compared here is one upstream with all others together, by statistics that
 * hold for small numbers; so it works with two, and where all fail alike (a bad request, a database that is down)
 * nobody is put out: ejecting them would take the capacity away and mend nothing.
 * Pure: time is an argument.
 */
import { RateWindow } from './success-rate-window.ts'

/** When a task that answers, but fails, is ejected. Defaults in brackets; times in ms. */
export interface OutlierOptions {
  /** So many failures in a row are enough, if its peers do not fail like that [5]. */
  readonly consecutiveFailures: number
  /** Window of the rates [30000]. */
  readonly windowMs: number
  /** Rates are compared from so many answers on, of it and of its peers each [20]. */
  readonly minSamples: number
  /** First time out; each further one is longer by as much [10000]. */
  readonly baseMs: number
  /** Longest time out [300000]. */
  readonly longestMs: number
  /** At most this share of the tasks is out because of failures, and never the last one [0.5]. */
  readonly maxEjectedRatio: number
}

export const DEFAULT_OUTLIER: OutlierOptions = {
  consecutiveFailures: 5,
  windowMs: 30_000,
  minSamples: 20,
  baseMs: 10_000,
  longestMs: 300_000,
  maxEjectedRatio: 0.5,
}

/**
 * z of a 99 % interval. Not 95 %: every failure is a look at the numbers, and who looks often enough finds a chance
 * difference. Measured with four tasks that all fail one call in ten, 100 calls a second: 0.1 false ejections in
 * 200 s, and 1.2 with 95 %.
 */
const Z = 2.576

/**
 * A run of failures counts as the upstream's own if its peers' rate makes one as long less likely than this. A busy
 * cluster sees tens of thousands of runs begin in a minute: a likelier one would be met by chance.
 *
 * Their rate of the whole window, and also that of calls that began after the run did: when something that all depend
 * on goes down, one task is the first to have a run of failures, and so far its peers' rate is that of better times.
 * It takes nine good answers of theirs to show that a run of five is not of that kind, and three for a run of eight.
 */
const CHANCE = 0.00001

/**
 * A rate of failures is an outlier's from so many times its peers' on, and from so much more. Failures come in bursts,
 * which intervals for independent answers do not know of: who happens to get more calls during one looks worse.
 */
const TIMES_WORSE = 3
const WORSE_BY = 0.05

/** Good and bad answers, of whatever. */
interface Answers {
  good: number
  bad: number
}

/** What is known of how one upstream answers. */
export class AnswerRecord {
  readonly window: RateWindow
  failuresInARow: number
  /** What the cluster had answered when the run of failures began. */
  readonly atRun: Answers
  /** What it has answered itself since its first failure of late, without that. */
  readonly own: Answers
  /** What the cluster had answered then. */
  readonly atFirst: Answers
  /** When that was, on the clock. */
  firstAt: number

  constructor(windowMs: number, now: number) {
    this.window = new RateWindow(windowMs, now)
    this.failuresInARow = 0
    this.atRun = { good: 0, bad: 0 }
    this.own = { good: 0, bad: 0 }
    this.atFirst = { good: 0, bad: 0 }
    this.firstAt = Number.NEGATIVE_INFINITY
  }
}

/**
 * Takes in the answers of a cluster's upstreams, and judges one that has just failed.
 *
 * It is compared with its peers since it began to fail. In better times before, all were alike; and when something
 * goes down that all depend on, one task is the first to fail, while its peers still answer what they began before.
 */
export class OutlierDetector {
  readonly options: OutlierOptions
  /** Of all upstreams that are not out, in the window. */
  readonly #lately: RateWindow
  /** Of all upstreams, ever. */
  readonly #ever: Answers = { good: 0, bad: 0 }
  readonly #underWay: () => number

  /** @param underWay how many calls of the cluster have no answer yet */
  constructor(options: OutlierOptions, now: number, underWay: () => number) {
    this.options = options
    this.#lately = new RateWindow(options.windowMs, now)
    this.#underWay = underWay
  }

  succeeded(record: AnswerRecord, now: number): void {
    record.failuresInARow = 0
    record.own.good++
    record.window.add(true, now)
    this.#lately.add(true, now)
    this.#ever.good++
  }

  /** @returns why it is an outlier now, or undefined while it is none */
  failed(record: AnswerRecord, now: number): string | undefined {
    if (record.failuresInARow === 0) this.#mark(record.atRun)
    if (now - record.firstAt > this.options.windowMs) this.#begin(record, now)
    else record.own.bad++
    record.failuresInARow++
    record.window.add(false, now)
    this.#lately.add(false, now)
    this.#ever.bad++
    return this.#judgeRun(record, now) ?? this.#judgeRate(record)
  }

  /** It is out: what it did says nothing about the others, and nothing about how it does when it is back. */
  ejected(record: AnswerRecord, now: number): void {
    this.#lately.subtract(record.window, now)
    record.window.clear()
    record.failuresInARow = 0
    record.firstAt = Number.NEGATIVE_INFINITY
  }

  #judgeRun(record: AnswerRecord, now: number): string | undefined {
    const { failuresInARow: run, window, atRun } = record
    if (run < this.options.consecutiveFailures) return undefined
    const meanwhile = this.#peersSince(atRun, { good: 0, bad: run })
    const usually = {
      good: this.#lately.good(now) - window.good(now),
      bad: this.#lately.bad(now) - window.bad(now),
    }
    const rate = Math.max(failureRate(meanwhile), failureRate(usually))
    return rate ** run < CHANCE ? `${run} failures in a row` : undefined
  }

  #judgeRate({ own, atFirst }: AnswerRecord): string | undefined {
    const { minSamples } = this.options
    // The first failure made us look: it is no sample.
    const peers = this.#peersSince(atFirst, { good: own.good, bad: own.bad + 1 })
    if (own.good + own.bad < minSamples || peers.good + peers.bad < minSamples) return undefined
    const peersRate = peers.bad / (peers.good + peers.bad)
    const rate = own.bad / (own.good + own.bad)
    if (rate < Math.max(TIMES_WORSE * peersRate, peersRate + WORSE_BY)) return undefined
    const best = wilson(own.good, own.good + own.bad, Z)
    const peersWorst = wilson(peers.good, peers.good + peers.bad, -Z)
    if (best >= peersWorst) return undefined
    return `${percent(own)} of its answers are good, and ${percent(peers)} of its peers'`
  }

  /** Without those answers that calls from before may have had: as many as were under way. */
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
    mark.good = this.#ever.good + this.#underWay()
    mark.bad = this.#ever.bad
  }
}

/** Laplace's rule of succession: no evidence is a half, and one failure among few is not yet certainty. */
function failureRate({ good, bad }: Answers): number {
  return (bad + 1) / (good + bad + 2)
}

/**
 * A bound of the success rate that lies behind `good` of `total`.
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

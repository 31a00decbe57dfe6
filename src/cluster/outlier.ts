/**
 * Whether an upstream that answers does so markedly worse than its peers.
 *
 * Fargate services run two to six tasks, where the usual rules never act: Envoy wants 5 hosts with 100 requests
 * each, and ejects one in ten. What is compared here is one upstream with all others together, by statistics that
 * hold for small numbers; so it works with two, and where all fail alike (a bad request, a database that is down)
 * nobody is put out: ejecting them would take the capacity away and mend nothing.
 * Pure: time is an argument.
 */
import { RateWindow } from './rate-window.ts'

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
 */
const CHANCE = 0.00001

/** What is known of how one upstream answers. */
export class AnswerRecord {
  readonly window: RateWindow
  failuresInARow: number

  constructor(windowMs: number, now: number) {
    this.window = new RateWindow(windowMs, now)
    this.failuresInARow = 0
  }
}

/** Takes in the answers of a cluster's upstreams, and judges one that has just failed. */
export class OutlierDetector {
  readonly options: OutlierOptions
  /** Of all upstreams that are not out. */
  readonly #all: RateWindow

  constructor(options: OutlierOptions, now: number) {
    this.options = options
    this.#all = new RateWindow(options.windowMs, now)
  }

  succeeded(record: AnswerRecord, now: number): void {
    record.failuresInARow = 0
    record.window.add(true, now)
    this.#all.add(true, now)
  }

  /** @returns why it is an outlier now, or undefined while it is none */
  failed(record: AnswerRecord, now: number): string | undefined {
    record.failuresInARow++
    record.window.add(false, now)
    this.#all.add(false, now)
    const { consecutiveFailures, minSamples } = this.options
    const bad = record.window.bad(now)
    const good = record.window.good(now)
    const peersBad = this.#all.bad(now) - bad
    const peersGood = this.#all.good(now) - good
    const isLongRun = record.failuresInARow >= consecutiveFailures
    if (isLongRun && failureRate(peersGood, peersBad) ** record.failuresInARow < CHANCE)
      return `${record.failuresInARow} failures in a row`
    if (good + bad < minSamples || peersGood + peersBad < minSamples) return undefined
    const best = wilson(good, good + bad, Z)
    const peersWorst = wilson(peersGood, peersGood + peersBad, -Z)
    if (best >= peersWorst) return undefined
    return `${percent(good, bad)} of its answers are good, and ${percent(peersGood, peersBad)} of its peers'`
  }

  /** It is out: what it did says nothing about the others, and nothing about how it does when it is back. */
  ejected(record: AnswerRecord, now: number): void {
    this.#all.subtract(record.window, now)
    record.window.clear()
    record.failuresInARow = 0
  }
}

/** Laplace's rule of succession: no evidence is a half, and one failure among few is not yet certainty. */
function failureRate(good: number, bad: number): number {
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

function percent(good: number, bad: number): string {
  return `${Math.round((100 * good) / (good + bad))} %`
}

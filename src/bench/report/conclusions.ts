/** What a run says, what is worse on the direct path, and what the run cannot tell: in sentences. */
import { isDirect } from '../arms/arm.ts'
import {
  CLOUD_MAP_CALLS_PER_MINUTE,
  discoveryMonth,
  HOURS,
  type Cost,
  type CostOfPath,
} from '../cost/cost.ts'
import type { BenchSettings } from '../settings.ts'
import { MIN_BLOCKS } from '../statistics/bootstrap.ts'
import { percentileName, samplesFor } from '../statistics/percentiles.ts'
import { BLOCK_MS, type Counted } from './counted.ts'
import { failsMore, lostCalls } from './lost-calls.ts'
import { count, dollars, duration, ms, percent } from './numbers.ts'
import type { ArmReport, BenchReport, Lateness } from './report.ts'

export interface Findings extends Pick<BenchReport, 'arms' | 'comparisons' | 'cost' | 'setUp'> {
  readonly counted: Counted
  readonly settings: BenchSettings
  readonly wasInterrupted: boolean
  /** The caller's; null: unknown. */
  readonly zone: string | null
}

/** Calls go to arms at random: one may get fewer than its part. */
const MARGIN = 1.2

/** The percentiles that a first sentence names. */
const HEADLINES = new Set([0.5, 0.99])

export function conclusionsOf(findings: Findings): string[] {
  const { arms, comparisons } = findings
  const label = (name: string): string => labelIn(arms, name)
  const latency = comparisons.map(({ arm, baseline, isControl, percentiles }) => {
    const parts = percentiles
      .filter(({ share }) => HEADLINES.has(share))
      .map(({ share, sentence }) => `${percentileName(share)} ${sentence}`)
    const pair = isControl
      ? `Control (${label(arm)} against ${label(baseline)}, which must not differ)`
      : `${capital(label(arm))} against ${label(baseline)}`
    return `${pair}: ${parts.join('; ')}.`
  })
  return [...tooShort(findings), ...latency, ...lostCalls(arms), costSentence(findings)]
}

/** Nothing where there is a verdict, or where a longer run would have none either. */
function tooShort({ arms, comparisons, settings }: Findings): string[] {
  const verdicts = comparisons.flatMap(({ percentiles }) => percentiles.map(({ verdict }) => verdict))
  const isTooShort = verdicts.every(
    (verdict) => verdict.kind === 'cannot-tell' && verdict.reason.startsWith('too-few-'),
  )
  if (!isTooShort || verdicts.length === 0) return []
  const samplesMs = ((samplesFor(0.5) * arms.length * MARGIN) / settings.perSecond) * 1_000
  // The rule for the warm-up cuts half of a run at most.
  const seconds = Math.ceil((2 * Math.max(samplesMs, MIN_BLOCKS * BLOCK_MS)) / 1_000)
  return [`The run is too short for any verdict: run for at least ${seconds} s (--duration ${seconds}s).`]
}

function costSentence({ cost, zone }: Findings): string {
  const { inputs } = cost
  const sums = cost.paths.map(({ path, perMonth }) => `${PATH_LABELS[path]} ${dollars(perMonth)}`)
  const zones =
    inputs.remoteShare.dns === null ? ` (without traffic between zones: ${unknownZone(zone)})` : ''
  return `A month at ${count(inputs.callsPerSecond)} calls/s from ${count(inputs.callers)} processes: ${sums.join(', ')}${zones}.`
}

function unknownZone(zone: string | null): string {
  return zone === null
    ? "the caller's zone is not known, --zone names it"
    : 'the zones of the tasks are not known'
}

export const PATH_LABELS: Readonly<Record<CostOfPath['path'], string>> = {
  'direct-dns': 'direct by DNS',
  'direct-api': 'direct by the API',
  alb: 'ALB',
  nlb: 'NLB',
}

export function worseOf({ arms, comparisons, cost, setUp, settings, zone }: Findings): string[] {
  const worse: string[] = []
  const { prices } = cost
  for (const { arm, baseline, isControl, percentiles } of comparisons) {
    const report = arms.find(({ name }) => name === arm)
    if (isControl || report === undefined || !isDirect(report.way)) continue
    for (const { share, verdict, sentence } of percentiles)
      if (verdict.kind === 'slower')
        worse.push(
          `${capital(report.label)} is ${sentence} at ${percentileName(share)} than ${labelIn(arms, baseline)}.`,
        )
  }
  const balanced = arms.find(({ way }) => way === 'fallback')
  for (const arm of arms.filter(({ name, way }) => isDirect(way) && name !== 'control')) {
    if (balanced !== undefined && arm.connections.peak > balanced.connections.peak)
      worse.push(
        `${capital(arm.label)} had ${count(arm.connections.peak)} connections at once, the load balancer arm ${count(balanced.connections.peak)}: each caller connects to each task.`,
      )
    const cold = setUp.find(({ way }) => way === arm.way)?.coldCall
    const otherCold = setUp.find(({ way }) => way === 'fallback')?.coldCall
    if (cold && otherCold && cold.medianMs > otherCold.medianMs)
      worse.push(
        `The first call of a new process takes ${ms(cold.medianMs)} with ${arm.label}, and ${ms(otherCold.medianMs)} through the load balancer.`,
      )
  }
  const processMonth = discoveryMonth(settings.volume, prices)
  const asMany = Math.ceil((prices.albHour * HOURS) / processMonth)
  const comparedWithAlb = Number.isFinite(asMany)
    ? `: ${count(asMany)} of them cost as much as an idle ALB`
    : ''
  worse.push(
    ...failsMore(arms),
    ...costlierThanBalancer(cost),
    crossingOf(cost, zone),
    `Discovery by the API costs ${dollars(processMonth)} a month for each process and service${comparedWithAlb}. With discovery auto, the default, it is about a twentieth.`,
    'A load balancer also ends TLS, authenticates, filters and logs. The direct path does none of that.',
  )
  return worse
}

function costlierThanBalancer({ paths }: Cost): string[] {
  const alb = paths.find(({ path }) => path === 'alb')?.perMonth ?? 0
  return paths
    .filter(({ path, perMonth }) => path.startsWith('direct') && perMonth > alb)
    .map(
      ({ path, perMonth }) =>
        `${capital(PATH_LABELS[path])} costs ${dollars(perMonth - alb)} a month more than an ALB.`,
    )
}

function crossingOf({ inputs, allRemotePerMonth }: Cost, zone: string | null): string {
  const { dns, api } = inputs.remoteShare
  if (dns === null || api === null)
    return `${capital(unknownZone(zone))}. If all direct calls crossed zones, that would cost ${dollars(allRemotePerMonth)} a month.`
  return `${percent(dns)} of the direct calls by DNS cross zones, and ${percent(api)} of those by the API, for ${dollars(allRemotePerMonth * dns)} and ${dollars(allRemotePerMonth * api)} a month. Traffic from an ALB to tasks is free.`
}

/** @param worst what is said of the largest, e.g. `at most` */
export function latenessSentence({ percentiles, maxMs }: Lateness, worst: string): string {
  const parts = percentiles.flatMap(({ share, ms: value }) =>
    value === null ? [] : [`${percentileName(share)} ${ms(value)}`],
  )
  if (maxMs !== null) parts.push(`${worst} ${ms(maxMs)}`)
  return `The generator sent late by: ${parts.join(', ')}.`
}

export function limitsOf(findings: Findings): string[] {
  const { arms, comparisons, counted, settings, wasInterrupted } = findings
  const limits: string[] = []
  if (wasInterrupted) limits.push(`The run was interrupted after ${duration(counted.endMs)}.`)
  if (!counted.hasSettled)
    limits.push('Latencies were still changing in the second half: a longer run may say something else.')
  if (counted.lostInCut > 0)
    limits.push(
      `${count(counted.lostInCut)} calls failed or were not sent in the ${duration(counted.cutMs - settings.warmUpMs)} that the rule for the warm-up cut. They are in none of the numbers.`,
    )
  const missing = comparisons[0]?.percentiles.find(({ differenceMs }) => differenceMs === null)
  if (missing !== undefined) {
    const neededMs = ((samplesFor(missing.share) * arms.length) / settings.perSecond) * 1_000
    limits.push(
      `${percentileName(missing.share)} needs ${count(samplesFor(missing.share))} calls an arm: a run of about ${duration(neededMs)} at this rate.`,
    )
  }
  if (settings.control === undefined)
    limits.push('Without a control (a second copy of one arm) nothing shows whether the method works here.')
  const intervals = comparisons
    .flatMap(({ percentiles }) => percentiles)
    .filter(({ interval }) => interval).length
  limits.push(
    `Each interval is right in 95 of 100 runs. Of ${intervals} intervals, expect ${Number((intervals / 20).toFixed(1))} to be wrong by chance.`,
    'It is one caller at one place and time. Another zone, task size or hour may differ: run it there, too.',
    'Failed calls have no latency; they are counted by kind.',
    `The cost is a model: list prices, and requests to Cloud Map at ${CLOUD_MAP_CALLS_PER_MINUTE} a minute unless given. AWS bills what it counts.`,
  )
  return limits
}

function labelIn(arms: readonly ArmReport[], name: string): string {
  return arms.find((arm) => arm.name === name)?.label ?? name
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

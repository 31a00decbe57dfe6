import { isGood } from '../core/classification.ts'
import { reasonOf } from '../core/errors.ts'
import { isConnectFailure, isFailure, type Failure, type Outcome } from '../core/outcome.ts'
import { DEFAULT_OUTLIER, type OutlierDetector } from './health/outlier.ts'
import type { Upstream } from './upstream.ts'

/** What an outcome changes about an upstream's health. */
export type HealthChange =
  | { readonly kind: 'none' | 'readmitted' }
  /** No connection, or a failed probe: it is ejected already. */
  | { readonly kind: 'ejected'; readonly forMs: number }
  /** It answers much worse than its peers: to be ejected if enough tasks are left. */
  | { readonly kind: 'outlier'; readonly reason: string }

/**
 * An aborted probe that lasted less than this says nothing: it may have had no connection yet. Within a VPC a connection
 * takes less than 2 ms.
 */
const MIN_PROBE_MS = 2

const NONE: HealthChange = { kind: 'none' }
const READMITTED: HealthChange = { kind: 'readmitted' }

/**
 * Applies the outcome of one attempt to the upstream: counts, latency estimate, ejection.
 * @param detector judges failures; undefined: they eject nothing (load balancer, `outlier: false`)
 * @param startedAt when the attempt began, on the clock [the outcome's latency before `now`]
 * @param isProbe whether the attempt was the upstream's probe
 */
export function recordOutcome(
  upstream: Upstream,
  outcome: Outcome,
  now: number,
  detector: OutlierDetector | undefined,
  startedAt?: number,
  isProbe = false,
): HealthChange {
  upstream.record(outcome, now)
  if (outcome.kind === 'response') return afterResponse(upstream, outcome, now, detector, isProbe, startedAt)
  if (isFailure(outcome)) return afterFailure(upstream, outcome, now, detector, isProbe)
  return isProbe && outcome.kind === 'cancelled' ? afterAbortedProbe(upstream, outcome, now, detector) : NONE
}

function afterAbortedProbe(
  { ejection }: Upstream,
  { latencyMs, outrun }: Outcome & { kind: 'cancelled' },
  now: number,
  detector: OutlierDetector | undefined,
): HealthChange {
  if (outrun === true) return ejected(ejection.probeOutrun(now))
  if (latencyMs < MIN_PROBE_MS) return NONE
  const reason = `a probe had no answer in ${Math.round(latencyMs)} ms, when its caller left`
  return ejected(ejection.probeAborted(now, reason, baseMsOf(detector)))
}

function afterResponse(
  upstream: Upstream,
  outcome: Outcome & { kind: 'response' },
  now: number,
  detector: OutlierDetector | undefined,
  isProbe: boolean,
  startedAt: number = now - outcome.latencyMs,
): HealthChange {
  const { ejection, answers } = upstream
  const { status, classified, part } = outcome
  const good = isGood(outcome)
  // Headers before trailers say only that it answers.
  const saysNothing = part === 'headers' || classified?.kind === 'ignored'
  if (ejection.answered(startedAt, good && !saysNothing, now)) return READMITTED
  if (saysNothing) return NONE
  if (!good) return judgeFailure(upstream, classified?.reason ?? `status ${status}`, now, detector, isProbe)
  if (ejection.state === 'available') detector?.succeeded(answers, now)
  return NONE
}

function afterFailure(
  upstream: Upstream,
  outcome: Failure,
  now: number,
  detector: OutlierDetector | undefined,
  isProbe: boolean,
): HealthChange {
  const { ejection } = upstream
  const reason = reasonOf(outcome.error)
  if (isConnectFailure(outcome)) return ejected(ejection.connectFailed(now, reason, isProbe))
  if (isProbe && outcome.kind === 'timeout' && ejection.cause === 'refuses')
    return ejected(ejection.probeAborted(now, reason, baseMsOf(detector)))
  return judgeFailure(upstream, reason, now, detector, isProbe)
}

function judgeFailure(
  { ejection, answers }: Upstream,
  what: string,
  now: number,
  detector: OutlierDetector | undefined,
  isProbe: boolean,
): HealthChange {
  if (isProbe) {
    // Any failure of a probe means that it was not the success that readmits.
    if (ejection.cause === 'refuses' || detector === undefined) return ejected(ejection.probeBroke(now, what))
    return ejected(ejection.failed(now, what, detector.options.baseMs, 1, isProbe))
  }
  if (ejection.state !== 'available') return NONE
  const reason = detector?.failed(answers, now)
  return reason === undefined ? NONE : { kind: 'outlier', reason: `${reason} (${what})` }
}

function baseMsOf(detector: OutlierDetector | undefined): number {
  return (detector?.options ?? DEFAULT_OUTLIER).baseMs
}

function ejected(forMs: number | undefined): HealthChange {
  return forMs === undefined ? NONE : { kind: 'ejected', forMs }
}

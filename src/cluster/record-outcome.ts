import { reasonOf } from '../core/errors.ts'
import { isConnectFailure, type Outcome } from '../core/outcome.ts'
import { DEFAULT_OUTLIER, type OutlierDetector } from './health/outlier.ts'
import type { Upstream } from './upstream.ts'

/** What an outcome shows about whether an upstream should be in the rotation. */
export type Change =
  | { readonly kind: 'none' | 'readmitted' }
  /** It is out already: no connection, or a probe that failed. */
  | { readonly kind: 'ejected'; readonly forMs: number }
  /** It answers markedly worse than its peers: to be put out if the cluster can bear it. */
  | { readonly kind: 'outlier'; readonly reason: string }

type Failure = Extract<Outcome, { kind: 'connect-error' | 'transport-error' | 'timeout' }>

/** The judge of failures; undefined where failures put nobody out (a load balancer, `outlier: false`). */
export type Judge = OutlierDetector | undefined

// A failing task answers fast. Unless its failures count as slow, it draws traffic: the classic black hole.
const FAILURE_COUNTS_AS_MS = 1_000
const LONGEST_RETRY_AFTER_MS = 60_000

/**
 * A client's first calls to a task make its connections, and find its caches cold: that is not how long it takes. Were
 * it held against the task, a client that makes one call at a time would keep to the first task that it warmed.
 */
const COLD_CALLS = 2

/**
 * A probe that its caller gives up sooner than a connection is made says nothing of the task. Within a VPC that takes
 * less than 2 ms.
 */
const CONNECTED_WITHIN_MS = 2

const NOTHING: Change = { kind: 'none' }
const READMITTED: Change = { kind: 'readmitted' }

/**
 * Takes what became of one attempt into the upstream's estimate, counts and ejection.
 * @param isProbe whether the attempt was to show that the upstream is well again
 */
export function learn(
  upstream: Upstream,
  outcome: Outcome,
  now: number,
  judge: Judge,
  startedAt?: number,
  isProbe = false,
): Change {
  switch (outcome.kind) {
    case 'response':
      return learnFromResponse(upstream, outcome, now, judge, isProbe, startedAt)
    case 'connect-error':
    case 'transport-error':
    case 'timeout':
      if (outcome.kind === 'transport-error' && outcome.ownFault === true)
        return learn(upstream, { kind: 'cancelled', latencyMs: 0 }, now, judge, startedAt, isProbe)
      return learnFromFailure(upstream, outcome, now, judge, isProbe)
    case 'queue-timeout':
      return NOTHING
    case 'cancelled':
      // It had this long and did not answer: worth knowing if it is more than was expected.
      if (outcome.latencyMs > upstream.latencyMs(now)) upstream.observe(outcome.latencyMs, now)
      return isProbe ? learnFromLostProbe(upstream, outcome, now, judge) : NOTHING
  }
}

function learnFromLostProbe(
  { ejection }: Upstream,
  { latencyMs, outrun }: Outcome & { kind: 'cancelled' },
  now: number,
  judge: Judge,
): Change {
  if (outrun === true) return ejected(ejection.probeOutrun(now))
  if (latencyMs < CONNECTED_WITHIN_MS) return NOTHING
  const told = `a probe had no answer in ${Math.round(latencyMs)} ms, when its caller left`
  return ejected(ejection.probeGivenUp(now, told, baseMsOf(judge)))
}

function learnFromResponse(
  upstream: Upstream,
  outcome: Outcome & { kind: 'response' },
  now: number,
  judge: Judge,
  isProbe: boolean,
  startedAt: number = now - outcome.latencyMs,
): Change {
  const { status, latencyMs, retryAfterMs } = outcome
  const isGood = status < 500
  upstream.answeredAt = now
  if (status === 503 || status === 429) {
    const penaltyMs = Math.min(retryAfterMs ?? FAILURE_COUNTS_AS_MS, LONGEST_RETRY_AFTER_MS)
    upstream.penalise(Math.max(penaltyMs, latencyMs), now)
  } else if (upstream.requests >= COLD_CALLS || latencyMs <= upstream.latencyMs(now)) {
    upstream.observe(latencyMs, now)
  }
  if (!isGood || status === 429) upstream.failures++
  if (upstream.ejection.answered(startedAt, isGood, now)) return READMITTED
  if (!isGood) return judgeFailure(upstream, `status ${status}`, now, judge, isProbe)
  if (upstream.ejection.state === 'available') judge?.succeeded(upstream.answers, now)
  return NOTHING
}

function learnFromFailure(
  upstream: Upstream,
  outcome: Failure,
  now: number,
  judge: Judge,
  isProbe: boolean,
): Change {
  upstream.failures++
  if (isConnectFailure(outcome)) {
    upstream.answeredAt = Number.NEGATIVE_INFINITY
    // A connection that cannot be made says nothing about how long answers take; ejection takes care of it.
    return ejected(upstream.ejection.connectFailed(now, reasonOf(outcome.error), isProbe))
  }
  const waitedMs = outcome.kind === 'timeout' ? outcome.latencyMs : 0
  upstream.penalise(Math.max(FAILURE_COUNTS_AS_MS, waitedMs), now)
  if (isProbe && outcome.kind === 'timeout' && upstream.ejection.cause === 'refuses')
    return ejected(upstream.ejection.probeGivenUp(now, reasonOf(outcome.error), baseMsOf(judge)))
  return judgeFailure(upstream, reasonOf(outcome.error), now, judge, isProbe)
}

function judgeFailure(upstream: Upstream, what: string, now: number, judge: Judge, isProbe: boolean): Change {
  const { ejection } = upstream
  if (isProbe) {
    // A probe that fails in any way was not the success that re-admits.
    if (ejection.cause === 'refuses' || judge === undefined) return ejected(ejection.probeBroke(now, what))
    return ejected(ejection.failed(now, what, judge.options, 1, isProbe))
  }
  if (ejection.state !== 'available') return NOTHING
  const reason = judge?.failed(upstream.answers, now)
  return reason === undefined ? NOTHING : { kind: 'outlier', reason: `${reason} (${what})` }
}

function baseMsOf(judge: Judge): number {
  return (judge?.options ?? DEFAULT_OUTLIER).baseMs
}

function ejected(forMs: number | undefined): Change {
  return forMs === undefined ? NOTHING : { kind: 'ejected', forMs }
}

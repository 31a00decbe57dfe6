import { reasonOf } from '../core/errors.ts'
import { isConnectFailure, type Outcome } from '../core/outcome.ts'
import type { OutlierDetector } from './outlier.ts'
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

/** These say that this process is out of something, not that the upstream is bad. */
const OWN_FAILURES = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS'])

const NOTHING: Change = { kind: 'none' }
const READMITTED: Change = { kind: 'readmitted' }

/** Takes what became of one attempt into the upstream's estimate, counts and ejection. */
export function learn(
  upstream: Upstream,
  outcome: Outcome,
  now: number,
  judge: Judge,
  startedAt?: number,
): Change {
  switch (outcome.kind) {
    case 'response':
      return learnFromResponse(upstream, outcome, now, judge, startedAt)
    case 'connect-error':
    case 'transport-error':
    case 'timeout':
      if (outcome.kind === 'transport-error' && outcome.ownFault === true)
        return learn(upstream, { kind: 'cancelled', latencyMs: 0 }, now, judge)
      return learnFromFailure(upstream, outcome, now, judge)
    case 'queue-timeout':
      upstream.ejection.probeCancelled()
      return NOTHING
    case 'cancelled':
      // It had this long and did not answer: worth knowing if it is more than was expected.
      if (outcome.latencyMs > upstream.latencyMs(now)) upstream.observe(outcome.latencyMs, now)
      if (outcome.outrun === true) return ejected(upstream.ejection.probeOutrun(now))
      upstream.ejection.probeCancelled()
      return NOTHING
  }
}

function learnFromResponse(
  upstream: Upstream,
  outcome: Outcome & { kind: 'response' },
  now: number,
  judge: Judge,
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
  if (!isGood) return judgeFailure(upstream, `status ${status}`, now, judge)
  if (upstream.ejection.state === 'available') judge?.succeeded(upstream.answers, now)
  return NOTHING
}

function learnFromFailure(upstream: Upstream, outcome: Failure, now: number, judge: Judge): Change {
  if (OWN_FAILURES.has((outcome.error as NodeJS.ErrnoException).code ?? '')) {
    upstream.ejection.probeCancelled()
    return NOTHING
  }
  upstream.failures++
  if (isConnectFailure(outcome)) {
    upstream.answeredAt = Number.NEGATIVE_INFINITY
    // A connection that cannot be made says nothing about how long answers take; ejection takes care of it.
    return ejected(upstream.ejection.connectFailed(now, reasonOf(outcome.error)))
  }
  const waitedMs = outcome.kind === 'timeout' ? outcome.latencyMs : 0
  upstream.penalise(Math.max(FAILURE_COUNTS_AS_MS, waitedMs), now)
  return judgeFailure(upstream, reasonOf(outcome.error), now, judge)
}

function judgeFailure(upstream: Upstream, what: string, now: number, judge: Judge): Change {
  const { ejection } = upstream
  if (ejection.state === 'ejected') return NOTHING
  if (ejection.state === 'probing') {
    // A probe that fails in any way was not the success that re-admits.
    if (ejection.cause === 'refuses' || judge === undefined) return ejected(ejection.connectFailed(now, what))
    return ejected(ejection.failed(now, what, judge.options, 1))
  }
  const reason = judge?.failed(upstream.answers, now)
  return reason === undefined ? NOTHING : { kind: 'outlier', reason: `${reason} (${what})` }
}

function ejected(forMs: number | undefined): Change {
  return forMs === undefined ? NOTHING : { kind: 'ejected', forMs }
}

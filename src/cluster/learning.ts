import { reasonOf } from '../core/errors.ts'
import { isConnectFailure, type Outcome } from '../core/outcome.ts'
import type { Upstream } from './upstream.ts'

/** What an outcome changed about whether an upstream is in the rotation. */
export type Change =
  | { readonly kind: 'none' | 'readmitted' }
  | { readonly kind: 'ejected'; readonly forMs: number }

type Failure = Extract<Outcome, { kind: 'connect-error' | 'transport-error' | 'timeout' }>

// A failing task answers fast. Unless its failures count as slow, it draws traffic: the classic black hole.
const FAILURE_COUNTS_AS_MS = 1_000
const LONGEST_RETRY_AFTER_MS = 60_000

/** These say that this process is out of something, not that the upstream is bad. */
const OWN_FAILURES = new Set(['EMFILE', 'ENFILE', 'EADDRNOTAVAIL', 'ENOBUFS'])

const NOTHING: Change = { kind: 'none' }

/** Takes what became of one attempt into the upstream's estimate, counts and ejection. */
export function learn(upstream: Upstream, outcome: Outcome, now: number): Change {
  switch (outcome.kind) {
    case 'response':
      return learnFromResponse(upstream, outcome, now)
    case 'connect-error':
    case 'transport-error':
    case 'timeout':
      return learnFromFailure(upstream, outcome, now)
    case 'cancelled':
      // It had this long and did not answer: worth knowing if it is more than was expected.
      if (outcome.latencyMs > upstream.latencyMs(now)) upstream.observe(outcome.latencyMs, now)
      upstream.ejection.probeCancelled()
      return NOTHING
  }
}

function learnFromResponse(upstream: Upstream, outcome: Outcome & { kind: 'response' }, now: number): Change {
  const { status, latencyMs, retryAfterMs } = outcome
  upstream.answeredAt = now
  if (status === 503 || status === 429) {
    upstream.failures++
    const penaltyMs = Math.min(retryAfterMs ?? FAILURE_COUNTS_AS_MS, LONGEST_RETRY_AFTER_MS)
    upstream.observe(Math.max(upstream.latencyMs(now), penaltyMs, latencyMs), now)
  } else {
    if (status >= 500) upstream.failures++
    upstream.observe(latencyMs, now)
  }
  return upstream.ejection.answered(now - latencyMs) ? { kind: 'readmitted' } : NOTHING
}

function learnFromFailure(upstream: Upstream, outcome: Failure, now: number): Change {
  if (OWN_FAILURES.has((outcome.error as NodeJS.ErrnoException).code ?? '')) {
    upstream.ejection.probeCancelled()
    return NOTHING
  }
  upstream.failures++
  if (isConnectFailure(outcome)) upstream.answeredAt = Number.NEGATIVE_INFINITY
  // A connection that cannot be made says nothing about how long answers take; ejection takes care of it.
  if (!isConnectFailure(outcome)) {
    const waitedMs = outcome.kind === 'timeout' ? outcome.latencyMs : 0
    upstream.observe(Math.max(upstream.latencyMs(now), FAILURE_COUNTS_AS_MS, waitedMs), now)
    // A probe that fails in any way was not the success that re-admits.
    if (upstream.ejection.state !== 'probing') return NOTHING
  }
  const forMs = upstream.ejection.connectFailed(now, reasonOf(outcome.error))
  return forMs === undefined ? NOTHING : { kind: 'ejected', forMs }
}

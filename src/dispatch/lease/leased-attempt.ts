import type { Upstream } from '../../cluster/upstream.ts'
import { emit } from '../../core/events.ts'
import type { Outcome } from '../../core/outcome.ts'
import { emitFallback } from '../call/no-upstream.ts'
import { emitRetried } from '../retry/retry-state.ts'
import type { LeasedCall } from './leased-call.ts'
import type { LeaseState } from './open-leases.ts'

/** What ends without a report says nothing about the upstream. */
const NOTHING_KNOWN: Outcome = { kind: 'cancelled', latencyMs: 0 }

/**
 * An attempt without a request: the state of a lease. It does to `Cluster`, `Upstream` and `RetryState` what an `Attempt`
 * does, in the same order: `begin`, `stopWaiting` and `report` at the outcome, `end` (docs/decisions/019).
 *
 * Apart from the `Lease` that the caller holds, because the upstream's ejection and the registry of the garbage collector
 * refer to it: the caller's object must stay collectable.
 */
export class LeasedAttempt implements LeaseState {
  readonly call: LeasedCall
  readonly upstream: Upstream
  /** When it was acquired, on the clock. */
  readonly startedAt: number
  /** Among the attempts of the call, from 1. */
  readonly #number: number
  #outcome: Outcome | undefined = undefined
  #hasBroken = false
  isOver = false
  #hasSuccessor = false

  constructor(call: LeasedCall, upstream: Upstream, number: number) {
    this.call = call
    this.upstream = upstream
    this.startedAt = call.now
    this.#number = number
    upstream.begin(call.now)
  }

  report(outcome: Outcome): void {
    if (this.isOver || this.#outcome !== undefined) return
    const now = this.call.route.clock.now()
    this.#outcome = outcome
    this.upstream.stopWaiting(outcome, now)
    this.#record(outcome, now)
  }

  reportBreak(outcome: Outcome): void {
    if (this.isOver || this.#hasBroken || !isGoodResponse(this.#outcome) || !isBreak(outcome)) return
    this.#hasBroken = true
    this.#record(outcome, this.call.route.clock.now())
  }

  end(): void {
    if (this.isOver) return
    this.report(NOTHING_KNOWN)
    this.isOver = true
    this.upstream.end()
    this.call.route.inFlight.end()
  }

  /** The attempt that follows it, if one may and it was not asked for before. */
  next(): LeasedAttempt | undefined {
    const { call, upstream } = this
    const { cluster, inFlight, clock } = call.route
    const outcome = this.#outcome
    if (outcome === undefined || this.#hasSuccessor || inFlight.isDestroyed || call.signal?.aborted === true)
      return undefined
    this.#hasSuccessor = true
    const state = call.retryState
    call.now = clock.now()
    cluster.reconcileIfChanged(call.now)
    const decision = state.decide(upstream, outcome, true, call, true)
    if (decision.kind === 'give-up' || decision.upstream === undefined) return undefined
    emitRetried(call.route, call.method, { number: this.#number, upstream }, outcome, 0)
    inFlight.begin()
    return beginLeased(call, decision.upstream, state.tried)
  }

  #record(outcome: Outcome, now: number): void {
    const { call, upstream, startedAt } = this
    call.route.cluster.report(upstream, outcome, now, startedAt, call)
  }

  /** Its place at the upstream would be taken for ever. */
  leaked(): void {
    const { call, upstream, startedAt } = this
    const { host, clock } = call.route
    const heldMs = clock.now() - startedAt
    this.end()
    emit('onehop:lease.leaked', () => ({ host, method: call.method, upstream: upstream.label, heldMs }))
  }
}

function isGoodResponse(outcome: Outcome | undefined): boolean {
  return outcome?.kind === 'response' && outcome.status < 500
}

/** Whether the upstream is to blame for the end of a response. */
function isBreak(outcome: Outcome): boolean {
  if (outcome.kind === 'response') return outcome.status >= 500
  return outcome.kind === 'transport-error' || outcome.kind === 'timeout'
}

/**
 * Begins an attempt on an upstream that was picked. The call is in flight already; its place is freed if this throws.
 * @param tried upstreams of earlier attempts
 */
export function beginLeased(call: LeasedCall, upstream: Upstream, tried: readonly Upstream[]): LeasedAttempt {
  const { route } = call
  if (upstream === route.cluster.fallback) emitFallback(route, call.method, upstream, tried)
  return new LeasedAttempt(call, upstream, tried.length + 1)
}

/**
 * An attempt without a request: the caller gets the upstream, sends what it likes, and reports what came of it.
 *
 * A lease does to `Cluster`, `Upstream` and `RetryState` what an `Attempt` does, in the same order: `begin`,
 * `stopWaiting` and `report` at the outcome, `end` (docs/decisions/019).
 */
import type { Upstream } from '../../cluster/upstream.ts'
import { emit } from '../../core/events.ts'
import type { Outcome } from '../../core/outcome.ts'
import type { Endpoint } from '../../discovery/endpoint.ts'
import { emitFallback } from '../call/no-upstream.ts'
import type { Limited, TimeLimit } from '../call/time-limit.ts'
import { emitRetried } from '../retry/retry-state.ts'
import { checkOutcome } from './check-outcome.ts'
import type { LeasedCall } from './leased-call.ts'
import { hostOf, servernameOf } from './names.ts'
import type { LeaseState } from './open-leases.ts'

/**
 * An upstream that was picked for one attempt of the caller's, and counts as pending until `end`. Disposing of it ends it.
 * `client.close()` waits for leases as it does for calls.
 */
export interface Lease extends Disposable {
  /** The task, or the load balancer. */
  readonly endpoint: Endpoint
  /** The port to connect to: the caller's, or else what the options or discovery say. */
  readonly port: number
  /** By which it is called: the caller's, or the load balancer's own. */
  readonly origin: string
  /** For the `Host` header: `origin` without the scheme. */
  readonly host: string
  /** For TLS: the server name, against which the certificate is verified. Empty if `origin` has an IP address. */
  readonly servername: string
  /** How long a connection may take, in ms (`timeouts.connectMs`). */
  readonly connectMs: number
  /** How long its TCP connection may take, in ms (`timeouts.tcpConnectMs`). */
  readonly tcpConnectMs: number
  /** Aborts when the client is destroyed, as by `close({ withinMs })`: what is under way has to be cut. */
  readonly signal: AbortSignal
  /** Milliseconds since it was acquired, without the time for which this process was busy. */
  elapsedMs(): number
  /**
   * How the attempt went: the first report counts, later ones are ignored, as after `end`.
   * @throws InvalidOptionsError for what is not an `Outcome`
   */
  report(outcome: Outcome): void
  /**
   * After a response below 500 was reported: it broke off, or failed in the end, as a gRPC status says. A
   * `transport-error`, a `timeout` or a response from 500 on counts, once.
   * @throws InvalidOptionsError for what is not an `Outcome`
   */
  reportBreak(outcome: Outcome): void
  /** The attempt is over. Without a report it says nothing about the upstream. A second time it does nothing. */
  end(): void
  /**
   * A lease of another upstream, for another attempt after a reported failure. The service's retry options and budget
   * allow it, or not, as for calls; a backoff is the caller's business. This lease still has to be ended.
   * @returns undefined if no retry is allowed, there is no other upstream, or it was asked for before
   * @throws what `retry.on` or a balancer of the user's throws
   */
  again(): Lease | undefined
}

const NONE: readonly Upstream[] = []

/** What ends without a report says nothing about the upstream. */
const NOTHING_KNOWN: Outcome = { kind: 'cancelled', latencyMs: 0 }

/**
 * The state of a lease. Apart from the `Lease` that the caller holds, because the upstream's ejection and the registry of
 * the garbage collector refer to it: the caller's object must stay collectable.
 */
class Held implements LeaseState {
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

  again(): Lease | undefined {
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
    return lease(call, decision.upstream, state.tried)
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

class UpstreamLease implements Lease, Limited {
  readonly #held: Held
  limit: TimeLimit | undefined = undefined
  dueAt = 0
  earlier: Limited | undefined = undefined
  later: Limited | undefined = undefined

  constructor(held: Held) {
    this.#held = held
    held.call.route.leases.add(this, held.startedAt)
  }

  get endpoint(): Endpoint {
    return this.#held.upstream.endpoint
  }

  get port(): number {
    return this.#held.upstream.port
  }

  get origin(): string {
    const { upstream, call } = this.#held
    return upstream.endpoint.origin ?? call.route.origin
  }

  get host(): string {
    return hostOf(this.origin)
  }

  get servername(): string {
    return servernameOf(this.origin)
  }

  get connectMs(): number {
    return this.#held.call.route.connectMs
  }

  get tcpConnectMs(): number {
    const { upstream, call } = this.#held
    // The name of the load balancer is looked up meanwhile.
    return upstream.endpoint.tier === 1 ? call.route.connectMs : call.route.tcpConnectMs
  }

  get signal(): AbortSignal {
    return this.#held.call.route.inFlight.signal
  }

  elapsedMs(): number {
    const { startedAt, call } = this.#held
    const { clock, lag } = call.route
    const now = clock.now()
    const heldMs = now - startedAt
    return heldMs - Math.min(lag.at(now), heldMs)
  }

  report(outcome: Outcome): void {
    this.#held.report(checkOutcome(outcome))
  }

  reportBreak(outcome: Outcome): void {
    this.#held.reportBreak(checkOutcome(outcome))
  }

  end(): void {
    const held = this.#held
    if (held.isOver) return
    held.call.route.leases.delete(this, held)
    held.end()
  }

  again(): Lease | undefined {
    return this.#held.again()
  }

  /** It is open for longer than most. */
  exceed(): void {
    const held = this.#held
    held.call.route.leases.register(this, held)
  }

  [Symbol.dispose](): void {
    this.end()
  }
}

/**
 * The lease of an upstream that was picked. The call is in flight already; its place is freed if this throws.
 * @param tried upstreams of earlier attempts
 */
export function lease(call: LeasedCall, upstream: Upstream, tried: readonly Upstream[] = NONE): Lease {
  const { route } = call
  if (upstream === route.cluster.fallback) emitFallback(route, call.method, upstream, tried)
  return new UpstreamLease(new Held(call, upstream, tried.length + 1))
}

import type { Dispatcher } from 'undici'
import type { Upstream } from '../cluster/upstream.ts'
import type { AttemptRecord } from '../core/errors.ts'
import { emit } from '../core/events.ts'
import { isConnectFailure, type Outcome } from '../core/outcome.ts'
import { fullJitter } from './backoff.ts'
import { isRepeatable } from './idempotence.ts'
import { mayRetry, type RetryOptions, type RetryRequest } from './retry-policy.ts'
import type { Route } from './route.ts'

/** Whether there is another attempt: after which wait, or why not. */
export type Decision =
  | { readonly kind: 'retry'; readonly waitMs: number }
  | { readonly kind: 'give-up'; readonly why: string }

/**
 * The failed attempts of one call, and what they allow. Made at a call's first failure: most never have one.
 */
export class History {
  /** Upstreams that attempts went to, in order. */
  readonly tried: Upstream[]
  readonly records: AttemptRecord[]
  readonly #route: Route
  readonly #options: Dispatcher.DispatchOptions

  constructor(route: Route, options: Dispatcher.DispatchOptions) {
    this.tried = []
    this.records = []
    this.#route = route
    this.#options = options
  }

  /** Whether an attempt has reached no server: the load balancer may know better which are there. */
  get hasConnectFailure(): boolean {
    return this.records.some(({ outcome }) => isConnectFailure(outcome))
  }

  /** The default port of the scheme, if a task was not reached on it and nothing names the port of the tasks. */
  get assumedPort(): number | undefined {
    const { assumedPort } = this.#route
    const isGuess = this.tried.some(({ endpoint }, index) => {
      const { tier, outcome } = this.records[index] as AttemptRecord
      return tier === 0 && endpoint.port === undefined && isUnreached(outcome)
    })
    return isGuess ? assumedPort : undefined
  }

  /** Whether all attempts broke off, as requests do on idle connections that the other side has dropped meanwhile. */
  get hasBrokenOffOnly(): boolean {
    return this.records.length > 0 && this.records.every(({ outcome }) => outcome.kind === 'transport-error')
  }

  /**
   * Judges an attempt that failed, the only one under way. A retry that is granted is taken out of the budget.
   * @param replayable whether another attempt would send the same body
   * @throws whatever the user's own rule throws
   */
  decide(upstream: Upstream, outcome: Outcome, replayable: boolean): Decision {
    this.#add(upstream, outcome)
    const { retry, cluster, budget, clock, host } = this.#route
    if (retry === undefined) return giveUp('retries are off')
    const elsewhere = cluster.hasUntried(this.tried)
    if (!mayRetry(outcome, this.#request(0), elsewhere, retry.on))
      return giveUp('this failure is not retried')
    if (this.records.length >= retry.attempts) return giveUp('no attempts left')
    if (!replayable) return giveUp('the request body was too long to keep')
    const { method } = this.#options
    if (!budget.withdraw(clock.now())) {
      emit('onehop:retry.over-budget', () => ({ host, method, outcome }))
      return giveUp('the retry budget is spent')
    }
    return { kind: 'retry', waitMs: this.#waitMs(outcome, elsewhere, retry) }
  }

  /**
   * Judges an attempt beside which another is under way: whether that one is waited for, which costs nothing. A failure
   * always is; a response, if it is one that asks for another attempt.
   * @throws whatever the user's own rule throws
   */
  decideBeside(upstream: Upstream, outcome: Outcome): Decision {
    const { retry } = this.#route
    const waits = outcome.kind !== 'response' || mayRetry(outcome, this.#request(1), true, retry?.on)
    if (!waits) return giveUp('it is an answer')
    this.#add(upstream, outcome)
    return { kind: 'retry', waitMs: 0 }
  }

  #add(upstream: Upstream, outcome: Outcome): void {
    this.tried.push(upstream)
    this.records.push({ upstream: upstream.label, tier: upstream.endpoint.tier, outcome })
  }

  #waitMs(outcome: Outcome, elsewhere: boolean, retry: RetryOptions): number {
    const retries = this.records.length
    if (retries === 1 && elsewhere) return 0
    const backoff = fullJitter(retries, retry.baseMs, retry.capMs, this.#route.random)
    if (elsewhere || outcome.kind !== 'response' || outcome.retryAfterMs === undefined) return backoff
    return Math.max(backoff, Math.min(outcome.retryAfterMs, retry.maxRetryAfterMs))
  }

  /** @param more attempts that failed and are not among the records yet */
  #request(more: number): RetryRequest {
    const { method, path } = this.#options
    return {
      method,
      path,
      idempotent: isRepeatable(this.#options),
      attempts: this.records.length + more,
    }
  }
}

/** Nothing listens on the port, or no packet arrives. A wrong certificate comes from a port that answers. */
function isUnreached(outcome: Outcome): boolean {
  if (outcome.kind === 'timeout') return outcome.phase === 'connect'
  if (outcome.kind !== 'connect-error') return false
  return ['ECONNREFUSED', 'EHOSTUNREACH', 'ETIMEDOUT'].includes(
    (outcome.error as NodeJS.ErrnoException).code ?? '',
  )
}

function giveUp(why: string): Decision {
  return { kind: 'give-up', why }
}

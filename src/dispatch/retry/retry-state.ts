import type { Dispatcher } from 'undici'
import type { PickHint } from '../../cluster/cluster.ts'
import type { Upstream } from '../../cluster/upstream.ts'
import type { AttemptRecord } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import { isConnectFailure, type Outcome } from '../../core/outcome.ts'
import { fullJitter } from '../../core/async/jitter.ts'
import { isRepeatable } from '../request/idempotence.ts'
import { mayRetry, type NextPlace, type RetryOptions, type RetryRequest } from './policy.ts'
import type { Route } from '../route.ts'
import { isStreamReset, isTlsError } from '../classify-outcome.ts'

/** Whether there is another attempt, or why not. */
export type Decision = Retry | { readonly kind: 'give-up'; readonly why: string }

export interface Retry {
  readonly kind: 'retry'
  readonly waitMs: number
  /** Where it goes; undefined: it is under way already. */
  readonly upstream: Upstream | undefined
}

/**
 * The failed attempts of one call, and what they allow. Made at a call's first failure: most never have one.
 */
export class RetryState {
  /** Upstreams that attempts went to, in order. */
  readonly tried: Upstream[]
  readonly records: AttemptRecord[]
  /** Until when each of `tried` asked not to be called again, on the clock; -Infinity: it did not. */
  readonly #notBefore: number[]
  readonly #route: Route
  readonly #options: Dispatcher.DispatchOptions

  constructor(route: Route, options: Dispatcher.DispatchOptions) {
    this.tried = []
    this.records = []
    this.#notBefore = []
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

  /** Whether all connections broke, as idle ones do that the other side has dropped meanwhile. */
  get hasBrokenOffOnly(): boolean {
    return this.records.length > 0 && this.records.every(({ outcome }) => hasBrokenOff(outcome))
  }

  /** Whether two tasks have failed with the same TLS error: a third would, too, and only the load balancer might not. */
  get hasSameTlsError(): boolean {
    const codes = this.records.filter(({ tier }) => tier === 0).map(({ outcome }) => tlsCodeOf(outcome))
    return codes.some((code, index) => code !== undefined && codes.indexOf(code) < index)
  }

  /**
   * Judges an attempt that failed, the only one under way. A retry that is granted has a place, so that a response at
   * hand is not given away for none; it is taken out of the budget.
   * @param replayable whether another attempt would send the same body
   * @param call with what it has left until its deadline, in ms: a retry that would begin after it is none
   * @throws whatever the user's own rule, or balancer, throws
   */
  decide(
    upstream: Upstream,
    outcome: Outcome,
    replayable: boolean,
    call: PickHint & { readonly leftMs: number },
  ): Decision {
    const { retry, cluster, budget, host } = this.#route
    const { now } = call
    this.#add(upstream, outcome, now)
    if (retry === undefined) return giveUp('retries are off')
    const place = this.#nextPlace(outcome)
    if (!mayRetry(outcome, this.#request(0), place, retry.on)) return giveUp('this failure is not retried')
    if (this.records.length >= retry.attempts) return giveUp('no attempts left')
    if (!replayable) return giveUp('the request body was too long to keep')
    const isLast = this.records.length === retry.attempts - 1
    const wantsFallback = (isLast && this.hasConnectFailure) || this.hasSameTlsError
    // A response holds the place of its attempt until it has been read.
    const leaving = outcome.kind === 'response' ? upstream : undefined
    const next = cluster.pickAgain(call, this.tried, wantsFallback, leaving)
    if (next === undefined) return giveUp('no endpoint can take another attempt')
    const waitMs = this.#waitMs(next, now, place === 'elsewhere', retry)
    if (waitMs > 0 && waitMs >= call.leftMs)
      return giveUp('the deadline would be over before the next attempt')
    const { method } = this.#options
    if (!budget.tryWithdraw(now)) {
      emit('onehop:retry.over-budget', () => ({ host, method, outcome }))
      return giveUp('the retry budget is spent')
    }
    return { kind: 'retry', waitMs, upstream: next }
  }

  /**
   * Judges an attempt beside which another is under way: whether that one is waited for, which costs nothing. A failure
   * always is; a response, if it is one that asks for another attempt.
   * @throws whatever the user's own rule throws
   */
  decideBeside(upstream: Upstream, outcome: Outcome): Decision {
    const { retry } = this.#route
    const waits = outcome.kind !== 'response' || mayRetry(outcome, this.#request(1), 'elsewhere', retry?.on)
    if (!waits) return giveUp('it is an answer')
    this.#add(upstream, outcome, this.#route.clock.now())
    return { kind: 'retry', waitMs: 0, upstream: undefined }
  }

  /** Asked for again, a certificate is the same; asked of a third task, it is like those of the first two. */
  #nextPlace(outcome: Outcome): NextPlace {
    const { cluster } = this.#route
    const { fallback, tasks } = cluster
    const hasSame = this.hasSameTlsError
    if (!hasSame && tlsCodeOf(outcome) === undefined)
      return cluster.hasUntried(this.tried) ? 'elsewhere' : 'again'
    if (fallback?.ejection.state === 'available' && !this.tried.includes(fallback)) return 'elsewhere'
    // Tasks that are out, too: they may be so for another reason.
    return !hasSame && tasks.some((task) => !this.tried.includes(task)) ? 'elsewhere' : 'nowhere'
  }

  #add(upstream: Upstream, outcome: Outcome, now: number): void {
    this.tried.push(upstream)
    const askedMs = outcome.kind === 'response' ? outcome.retryAfterMs : undefined
    this.#notBefore.push(now + (askedMs ?? Number.NEGATIVE_INFINITY))
    this.records.push({ upstream: upstream.label, tier: upstream.endpoint.tier, outcome })
  }

  #waitMs(next: Upstream, now: number, elsewhere: boolean, retry: RetryOptions): number {
    const retries = this.records.length
    if (retries === 1 && elsewhere) return 0
    let waitMs = fullJitter(retries, retry.baseMs, retry.maxDelayMs, this.#route.random)
    // `Retry-After` of whichever attempt of the call it answered, not of the last alone.
    for (const [index, upstream] of this.tried.entries()) {
      if (upstream !== next) continue
      waitMs = Math.max(waitMs, Math.min((this.#notBefore[index] ?? 0) - now, retry.maxRetryAfterMs))
    }
    return waitMs
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

function hasBrokenOff(outcome: Outcome): boolean {
  if (outcome.kind === 'response') return outcome.connectionExpired === true
  if (outcome.kind !== 'transport-error' || outcome.ownFault === true) return false
  return !isStreamReset(outcome.error)
}

function tlsCodeOf(outcome: Outcome): string | undefined {
  if (outcome.kind !== 'connect-error' || !isTlsError(outcome.error)) return undefined
  return (outcome.error as NodeJS.ErrnoException).code
}

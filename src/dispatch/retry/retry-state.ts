import type { Dispatcher } from 'undici'
import type { PickHint } from '../../cluster/cluster.ts'
import type { Upstream } from '../../cluster/upstream.ts'
import { AttemptsExhaustedError } from '../../core/errors.ts'
import { emit } from '../../core/events.ts'
import type { Outcome } from '../../core/outcome.ts'
import { fullJitter } from '../../core/async/jitter.ts'
import { isRepeatable } from '../request/idempotence.ts'
import { mayRetry, type NextPlace, type RetryOptions, type RetryRequest } from './policy.ts'
import type { Route } from '../route.ts'
import { whyNoTask } from '../call/no-upstream.ts'
import { Failures, tlsCodeOf } from './failures.ts'

/** Another attempt, or why there is none. */
export type Decision = Retry | { readonly kind: 'give-up'; readonly why: string }

/** Another attempt. */
export interface Retry {
  readonly kind: 'retry'
  /** Wait before it begins. */
  readonly waitMs: number
  /** Where it goes; undefined: it is under way already. */
  readonly upstream: Upstream | undefined
}

/** What may follow the failed attempts of one call. Made at a call's first failure: most calls have none. */
export class RetryState {
  readonly failures: Failures = new Failures()
  /** Since when no attempt is under way, on the clock; undefined: one always was. */
  failedAt: number | undefined = undefined
  /** Where the next attempt goes. It counts as pending there. */
  #reserved: Upstream | undefined = undefined
  readonly #route: Route
  readonly #options: Dispatcher.DispatchOptions

  constructor(route: Route, options: Dispatcher.DispatchOptions) {
    this.#route = route
    this.#options = options
  }

  /** Upstreams that failed attempts went to, in order. */
  get tried(): readonly Upstream[] {
    return this.failures.tried
  }

  /** The caller's error where no attempt follows. */
  errorFor(why: string, outcome: Outcome, error: Error): Error {
    const { host, retry, cluster, assumedPort } = this.#route
    // With retries off this is undici with discovery: the caller gets undici's own error.
    if (retry === undefined) return error
    // Nothing was sent, so a list of attempts would say nothing more.
    if (outcome.kind === 'queue-timeout' && !outcome.sent) return error
    const { records, hasUnreachedPort } = this.failures
    return new AttemptsExhaustedError(host, why, records, error, {
      assumedPort: hasUnreachedPort ? assumedPort : undefined,
      warning: cluster.view.snapshot?.warning,
      noTask: records.every(({ tier }) => tier === 1) ? whyNoTask(this.#route) : undefined,
    })
  }

  /**
   * Decides after the only attempt under way has failed. A retry has an upstream, so that no response is dropped for
   * nothing, and is taken out of the budget.
   * @param replayable whether another attempt would send the same body
   * @param call its `leftMs` is the time until its deadline; a retry that would begin later is not granted
   * @param elsewhere no retry on an upstream that the call has tried [false]
   * @throws what the user's `retry.on` or balancer throws
   */
  decide(
    upstream: Upstream,
    outcome: Outcome,
    replayable: boolean,
    call: PickHint & { readonly leftMs: number },
    elsewhere = false,
  ): Decision {
    const { retry, cluster, budget, host } = this.#route
    const { failures } = this
    const { now } = call
    this.failedAt = now
    failures.add(upstream, outcome, now)
    if (retry === undefined) return giveUp('retries are off')
    const place = this.#nextPlace(outcome)
    if (!mayRetry(outcome, this.#request(0), place, retry.on)) return giveUp('this failure is not retried')
    if (failures.count >= retry.attempts) return giveUp('no attempts left')
    if (!replayable) return giveUp('the request body was too long to keep')
    const isLast = failures.count === retry.attempts - 1
    // The load balancer may know better which tasks exist.
    const wantsFallback = (isLast && failures.mayBeDepartures) || failures.hasSameTlsError
    // A response counts as pending until it has been read.
    const leaving = outcome.kind === 'response' ? upstream : undefined
    const next = cluster.pickAgain(call, this.tried, wantsFallback, leaving)
    if (next === undefined || (elsewhere && this.tried.includes(next)))
      return giveUp('no endpoint can take another attempt')
    if (this.#isSilentBalancer(next)) return giveUp('the load balancer makes no connection')
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
   * Decides whether the call waits for the other of two attempts, which costs nothing. After a failure it does; after a
   * response, if that may be retried.
   * @throws what the user's `retry.on` throws
   */
  decideBeside(upstream: Upstream, outcome: Outcome): Decision {
    const { retry } = this.#route
    const waits = outcome.kind !== 'response' || mayRetry(outcome, this.#request(1), 'elsewhere', retry?.on)
    if (!waits) return giveUp('this response is not retried')
    this.failures.add(upstream, outcome, this.#route.clock.now())
    return { kind: 'retry', waitMs: 0, upstream: undefined }
  }

  /** Keeps a place for the attempt to come. */
  reserve(upstream: Upstream): void {
    this.#reserved = upstream
    upstream.reserve()
  }

  /** Gives the place up, for the attempt itself or because the call is over. */
  release(): Upstream | undefined {
    const reserved = this.#reserved
    this.#reserved = undefined
    reserved?.release()
    return reserved
  }

  /** The same task has the same certificate. If two tasks have a bad one, so has a third. */
  #nextPlace(outcome: Outcome): NextPlace {
    const { cluster } = this.#route
    const { fallback, tasks } = cluster
    const hasSame = this.failures.hasSameTlsError
    if (!hasSame && tlsCodeOf(outcome) === undefined)
      return cluster.hasUntried(this.tried) ? 'elsewhere' : 'again'
    if (fallback?.ejection.state === 'available' && !this.tried.includes(fallback)) return 'elsewhere'
    // Ejected tasks count, too: the reason may be another one.
    return !hasSame && tasks.some((task) => !this.tried.includes(task)) ? 'elsewhere' : 'nowhere'
  }

  /**
   * Node tries the addresses of its name one after the other within the time limit. Another attempt would begin with the same
   * ones, and wait as long. Unless a connection was made meanwhile, for another call: then a packet was lost.
   */
  #isSilentBalancer(next: Upstream): boolean {
    const { cluster, pools } = this.#route
    if (next !== cluster.fallback) return false
    const since = this.failures.unconnectedSince(next)
    return since !== undefined && !pools.hasConnectedSince(next, since)
  }

  #waitMs(next: Upstream, now: number, elsewhere: boolean, retry: RetryOptions): number {
    const retries = this.failures.count
    if (retries === 1 && elsewhere) return 0
    const waitMs = fullJitter(retries, retry.baseMs, retry.maxDelayMs, this.#route.random)
    const forbiddenMs = this.failures.notBefore(next) - now
    return Math.max(waitMs, Math.min(forbiddenMs, retry.maxRetryAfterMs))
  }

  /** @param more failed attempts that are not among the records yet */
  #request(more: number): RetryRequest {
    const { method, path } = this.#options
    return {
      method,
      path,
      idempotent: isRepeatable(this.#options),
      attempts: this.failures.count + more,
    }
  }
}

/** Emits that an attempt follows a failed one. */
export function emitRetried(
  { host }: Route,
  method: string,
  { number, upstream: { label } }: { readonly number: number; readonly upstream: Upstream },
  outcome: Outcome,
  waitMs: number,
): void {
  emit('onehop:call.retried', () => ({ host, method, attempt: number, upstream: label, outcome, waitMs }))
}

function giveUp(why: string): Decision {
  return { kind: 'give-up', why }
}

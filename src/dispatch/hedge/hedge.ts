import type { Dispatcher } from 'undici'
import type { PickHint } from '../../cluster/cluster.ts'
import type { Upstream } from '../../cluster/upstream.ts'
import { setLimit, type Timer } from '../../core/clock.ts'
import { emit } from '../../core/events.ts'
import type { Attempt } from '../call/attempt.ts'
import { isRepeatable } from '../request/idempotence.ts'
import type { Route } from '../route.ts'
import type { HedgePolicy } from './hedge-policy.ts'

/**
 * A hedge, for a call that may have two attempts under way; else undefined. It may if it can be sent again, gets a
 * response (and not a connection of its own), and has no `hedge: false`.
 * @param onSlow called after so many ms, while one attempt is under way and slow
 */
export function hedgeFor(
  route: Route,
  policy: HedgePolicy,
  options: Dispatcher.DispatchOptions,
  now: number,
  onSlow: (afterMs: number) => void,
): Hedge | undefined {
  const { upgrade, method } = options
  const isSwitch = Boolean(upgrade) || method === 'CONNECT'
  if (isSwitch || (options as { hedge?: false }).hedge === false || !isRepeatable(options)) return undefined
  policy.deposit(now)
  return new Hedge(route, policy, onSlow)
}

/**
 * The attempts of one call that may be hedged: one, then perhaps a second beside it, after a time. If one of two fails,
 * the other may get a new rival.
 */
export class Hedge {
  /** The attempt that began last, or the one whose response the caller gets. */
  attempt: Attempt | undefined = undefined
  /** While two attempts are under way, the earlier one. */
  rival: Attempt | undefined = undefined
  readonly #route: Route
  readonly #policy: HedgePolicy
  readonly #onSlow: (afterMs: number) => void
  #timer: Timer | undefined = undefined

  constructor(route: Route, policy: HedgePolicy, onSlow: (afterMs: number) => void) {
    this.#route = route
    this.#policy = policy
    this.#onSlow = onSlow
  }

  /** An attempt begins. */
  began(attempt: Attempt, now: number): void {
    this.attempt = attempt
    this.#watch(now)
  }

  #watch(now: number): void {
    const delayMs = this.#policy.delayMs(now)
    if (delayMs !== undefined && this.rival === undefined) this.#wait(delayMs, delayMs)
  }

  /**
   * Asks again after 2, 4, 8 ... times the delay. The first time the budget may be spent on slower calls, or the body may
   * still be on its way, and this call may hang.
   */
  #wait(delayMs: number, afterMs: number): void {
    const { clock } = this.#route
    const onSlow = (): void => {
      if (this.#timer !== timer) return
      this.#onSlow(afterMs)
      if (this.#timer === timer && this.rival === undefined) this.#wait(2 * delayMs, afterMs + 2 * delayMs)
    }
    const timer = setLimit(clock, delayMs, onSlow, true)
    this.#timer = timer
  }

  /** No attempt is under way: none can be slow. */
  unwatch(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /**
   * The upstream for a second attempt beside a slow one. undefined: there is none, or the budget is spent.
   * @param tried upstreams of the call's attempts, the slow one included
   */
  pickBeside(
    slow: Attempt,
    tried: readonly Upstream[],
    call: PickHint & { readonly method: string },
    afterMs: number,
  ): Upstream | undefined {
    const { cluster, budget, host } = this.#route
    const { method, now } = call
    if (!cluster.hasUntried(tried)) return undefined
    const upstream = cluster.pick(call, tried, false)
    // All others are full; or the user's balancer has ended the call.
    if (upstream === undefined || tried.includes(upstream) || !slow.isWaiting) return undefined
    if (!this.#policy.tryWithdraw(budget, now)) return undefined
    this.rival = slow
    const { label } = slow.upstream
    const attempt = slow.number
    emit('onehop:call.hedged', () => ({
      host,
      method,
      attempt,
      upstream: label,
      beside: upstream.label,
      afterMs,
    }))
    return upstream
  }

  /** The caller gets the winner's response. Cancels the other attempt, if there are two. */
  settle(winner: Attempt, latencyMs: number): void {
    const now = this.#route.clock.now()
    const last = this.attempt
    this.attempt = winner
    this.unwatch()
    // An error page says nothing about how long responses take.
    if (winner.statusCode < 500) this.#policy.observe(latencyMs, now)
    const { rival } = this
    if (rival === undefined) return
    this.rival = undefined
    if (winner === last) this.#policy.won++
    const loser = winner === last ? rival : last
    if (loser === undefined) return
    // A lower bound: it would have taken longer.
    this.#policy.observe(loser.elapsedMs(now), now)
    const reason = new Error('another attempt of the call answered first')
    if (loser === rival) loser.cancelAsLoser(reason)
    else loser.abort(reason)
  }

  /** An attempt failed. After a timeout its time is a lower bound. */
  observeFailed(failed: Attempt, isTimeout: boolean): void {
    const now = this.#route.clock.now()
    if (isTimeout) this.#policy.observe(failed.elapsedMs(now), now)
  }

  /** One of two attempts failed. The call waits for the other, which may become slow in turn. */
  dropFailed(failed: Attempt): void {
    if (failed === this.attempt) this.attempt = this.rival
    this.rival = undefined
    this.#watch(this.#route.clock.now())
  }

  /** The call is over. At most one of two attempts has ended with it. */
  end(): void {
    this.unwatch()
    const { attempt, rival } = this
    this.rival = undefined
    if (rival === undefined) return
    const over = new Error('the call is over')
    attempt?.abort(over)
    rival.abort(over)
  }
}

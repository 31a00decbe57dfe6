import type { Dispatcher } from 'undici'
import type { PickHint } from '../../cluster/cluster.ts'
import type { Upstream } from '../../cluster/upstream.ts'
import type { Timer } from '../../core/clock.ts'
import { emit } from '../../core/events.ts'
import type { Attempt } from '../call/attempt.ts'
import type { HedgePolicy } from './hedge-policy.ts'
import { isRepeatable } from '../request/idempotence.ts'
import type { Route } from '../route.ts'

/**
 * Whether a call may have two attempts under way: it may be sent again, is answered by a response (and not by a
 * connection of its own), and has not been asked to be left alone.
 */
export function mayHedge(options: Dispatcher.DispatchOptions): boolean {
  const { upgrade, method } = options
  const isSwitch = Boolean(upgrade) || method === 'CONNECT'
  return !isSwitch && (options as { hedge?: false }).hedge !== false && isRepeatable(options)
}

/**
 * What one call that may be hedged has beside its attempt: a timer, then perhaps a rival. Never more than two attempts
 * are under way; where one of them fails, the other may be late again.
 */
export class Hedge {
  /** While two attempts are under way, the earlier one; the other is the call's own. */
  rival: Attempt | undefined
  readonly #route: Route
  readonly #hedging: HedgePolicy
  readonly #onLate: (afterMs: number) => void
  #timer: Timer | undefined

  /** @param onLate called while one attempt is under way, and late; after how many ms */
  constructor(route: Route, hedging: HedgePolicy, onLate: (afterMs: number) => void) {
    this.rival = undefined
    this.#route = route
    this.#hedging = hedging
    this.#onLate = onLate
    this.#timer = undefined
  }

  /** An attempt begins, or is the only one left of two. */
  watch(now: number): void {
    const delayMs = this.#hedging.delayMs(now)
    if (delayMs !== undefined && this.rival === undefined) this.#wait(delayMs, delayMs)
  }

  /**
   * A call that gets no second attempt when it is a little late, because the budget is spent on others that are, or its
   * body is still being sent, may be one that hangs: it asks again, after 2, 4, 8 ... times as long.
   */
  #wait(delayMs: number, afterMs: number): void {
    const { clock } = this.#route
    const onLate = (): void => {
      if (this.#timer !== timer) return
      this.#onLate(afterMs)
      if (this.#timer === timer && this.rival === undefined) this.#wait(2 * delayMs, afterMs + 2 * delayMs)
    }
    // What the sockets have brought is heard first: a process that was busy must not take itself for a slow task.
    const timer = clock.setTimer(() => clock.afterIo(onLate), delayMs, true)
    this.#timer = timer
  }

  /** The attempt is over, or the call. */
  unwatch(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }

  /**
   * The upstream for a second attempt beside one that is late; undefined where there is none, or no budget for it.
   * @param tried those that attempts of the call went to, the late one included
   */
  pickBeside(
    late: Attempt,
    tried: readonly Upstream[],
    call: PickHint & { readonly method: string },
    afterMs: number,
  ): Upstream | undefined {
    const { cluster, budget, host } = this.#route
    const { method, now } = call
    if (!cluster.hasUntried(tried)) return undefined
    const upstream = cluster.pick(call, tried, false)
    // All others are full; or the user's balancer has ended the call.
    if (upstream === undefined || tried.includes(upstream) || !late.isWaiting) return undefined
    if (!this.#hedging.tryWithdraw(budget, now)) return undefined
    this.rival = late
    const { label } = late.upstream
    const attempt = late.number
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

  /** The winner's response is the call's: the other attempt, if there are two, is not needed any more. */
  settle(winner: Attempt, own: Attempt | undefined, latencyMs: number): void {
    const now = this.#route.clock.now()
    this.unwatch()
    // An error page says nothing of how long answers take.
    if (winner.statusCode < 500) this.#hedging.observe(latencyMs, now)
    const { rival } = this
    if (rival === undefined) return
    this.rival = undefined
    if (winner === own) this.#hedging.won++
    const loser = winner === own ? rival : own
    if (loser === undefined) return
    // It would have taken longer than that.
    this.#hedging.observe(loser.elapsedMs(), now)
    if (loser === rival) loser.cancelAsLoser()
    else loser.abort(new Error('another attempt of the call answered first'))
  }

  /** An attempt failed without an answer: what it took is a lower bound, if it was given up. */
  observeFailed(failed: Attempt, isTimeout: boolean): void {
    if (isTimeout) this.#hedging.observe(failed.elapsedMs(), this.#route.clock.now())
  }

  /** One of two attempts failed. @returns the other */
  leave(failed: Attempt, own: Attempt | undefined, now: number): Attempt | undefined {
    const other = failed === own ? this.rival : own
    this.rival = undefined
    this.watch(now)
    return other
  }
}

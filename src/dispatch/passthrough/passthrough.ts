import { Agent, Dispatcher, errors } from 'undici'
import { systemClock } from '../../core/clock.ts'
import type { GlobalDispatchers } from '../../core/global-dispatcher.ts'
import { DiscoveryDispatcher, settle } from '../dispatcher.ts'
import { withOwnForm } from './own-form.ts'
import { PassedCall } from './passed-call.ts'

/**
 * Sends requests to hosts that are not discovered to the dispatcher that was global before this client. It does not close
 * that one, but waits for the calls that it passed on, or cuts them. Without a global dispatcher it has its own undici `Agent`.
 */
export class PassThrough extends Dispatcher {
  readonly #before: GlobalDispatchers
  readonly #underWay = new Set<PassedCall>()
  #own: Agent | undefined
  #idle: PromiseWithResolvers<void> | undefined

  constructor(before: GlobalDispatchers) {
    super()
    this.#before = before
  }

  /** Takes handlers of undici 7 and later. */
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    // So undici's wrapper for the fetch of Node 22 and 24 says it.
    const isLegacy = (options as { allowH2?: boolean }).allowH2 === false
    const target = this.#target(isLegacy) ?? (this.#own ??= new Agent())
    const call = new PassedCall(handler, this.#over)
    this.#underWay.add(call)
    try {
      return target.dispatch(withOwnForm(options, target), call)
    } catch (error) {
      this.#over(call)
      throw error
    }
  }

  /** Waits for the requests in flight. */
  override close(callback?: () => void): Promise<void> & void {
    return settle(this.#close(), callback)
  }

  /** Cuts them. */
  override destroy(first?: Error | null | (() => void), second?: () => void): Promise<void> & void {
    const [error, callback] = typeof first === 'function' ? [null, first] : [first ?? null, second]
    return settle(this.#destroy(error), callback)
  }

  async #close(): Promise<void> {
    if (this.#underWay.size > 0) {
      this.#idle ??= Promise.withResolvers()
      await this.#idle.promise
    }
    // If it was destroyed meanwhile, it would refuse.
    if (this.#own?.destroyed === false) await this.#own.close()
  }

  async #destroy(error: Error | null): Promise<void> {
    for (const call of this.#underWay) call.cut(error ?? new errors.ClientDestroyedError())
    await this.#own?.destroy(error)
  }

  #target(isLegacy: boolean): Dispatcher | undefined {
    const before = isLegacy ? this.#before.legacy : this.#before.current
    if (!(before instanceof DiscoveryDispatcher) || !before.closed) return before
    // A client that was the global one and is closed by now, as where a server reloads itself.
    return before.elsewhere instanceof PassThrough ? before.elsewhere.#target(isLegacy) : undefined
  }

  readonly #over = (call: PassedCall): void => {
    if (!this.#underWay.delete(call) || this.#underWay.size > 0 || this.#idle === undefined) return
    // A caller has the end of its body some ticks after this.
    systemClock.afterIo(this.#idle.resolve)
  }
}

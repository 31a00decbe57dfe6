import { AsyncResource } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { errors, type Dispatcher } from 'undici'
import type { Hedge } from '../hedge/hedge.ts'
import type { Attempt } from './attempt.ts'

/** The type of its `AsyncResource`, as `async_hooks` shows it. */
const CONTEXT = 'ONEHOP_CALL'

/**
 * The caller's side of a call: the controller that its handler gets, and how the handler learns of the end.
 *
 * The handler gets this one controller at once, whichever attempt is under way. So an abort works while a name is
 * resolved, between attempts and while connecting, when undici has no controller yet.
 */
export abstract class CallController implements Dispatcher.DispatchController {
  readonly handler: Dispatcher.DispatchHandler
  /** The async context in which the handler's methods run. */
  context: AsyncResource
  aborted = false
  paused = false
  reason: Error | null = null
  /** Owns the attempts of a call that may be hedged. */
  protected hedge: Hedge | undefined = undefined
  /** The handler has been notified of the end, or is being notified. */
  protected isOver = false
  /** The attempt of a call that may not be hedged. */
  #attempt: Attempt | undefined = undefined

  constructor(handler: Dispatcher.DispatchHandler) {
    this.handler = handler
    // undici's own handlers (of `request`, `stream`, ...) are made in the caller's context and keep it.
    this.context = handler instanceof AsyncResource ? handler : new AsyncResource(CONTEXT)
  }

  /** Frees all that the call holds. @returns false if the call had ended already */
  protected abstract finish(error: Error | undefined): boolean

  /** Takes the current async context for the call, with what trace listeners have bound to it. */
  protected bindContext(): void {
    this.context = new AsyncResource(CONTEXT)
  }

  /** The attempt that began last, or the one whose response the caller gets. */
  protected get attempt(): Attempt | undefined {
    return this.hedge === undefined ? this.#attempt : this.hedge.attempt
  }

  /** An attempt begins. */
  protected began(attempt: Attempt, now: number): void {
    if (this.hedge === undefined) this.#attempt = attempt
    else this.hedge.began(attempt, now)
  }

  get rawHeaders(): NonNullable<Dispatcher.DispatchController['rawHeaders']> | null {
    return this.attempt?.controller?.rawHeaders ?? null
  }

  get rawTrailers(): NonNullable<Dispatcher.DispatchController['rawTrailers']> | null {
    return this.attempt?.controller?.rawTrailers ?? null
  }

  pause(): void {
    this.paused = true
    this.attempt?.controller?.pause()
    this.hedge?.rival?.controller?.pause()
  }

  resume(): void {
    this.paused = false
    this.attempt?.controller?.resume()
    this.hedge?.rival?.controller?.resume()
  }

  abort(reason?: Error): void {
    if (this.isOver || this.aborted) return
    this.aborted = true
    this.reason = reason ?? new errors.RequestAbortedError()
    this.abortWith(this.reason)
  }

  /** Cancels what is under way, and ends the call. */
  protected abortWith(error: Error): void {
    this.attempt?.abort(error)
    this.failed(error)
  }

  /** Ends the call. */
  failed(error: Error): void {
    if (this.finish(error)) this.handler.onResponseError?.(this, error)
  }

  /** The response has ended. */
  succeeded(trailers: IncomingHttpHeaders): void {
    if (!this.finish(undefined)) return
    try {
      this.handler.onResponseEnd?.(this, trailers)
    } catch (error) {
      // As in undici: an interceptor that throws at the end has failed the request.
      this.handler.onResponseError?.(this, error as Error)
    }
  }

  /** The caller gets the connection. */
  upgraded(statusCode: number, headers: IncomingHttpHeaders, socket: Duplex): void {
    if (this.handler.onRequestUpgrade === undefined) {
      socket.destroy()
      this.failed(new errors.InvalidArgumentError('invalid onRequestUpgrade method'))
    } else if (this.finish(undefined)) {
      try {
        this.handler.onRequestUpgrade(this, statusCode, headers, socket)
      } catch (error) {
        socket.destroy()
        this.handler.onResponseError?.(this, error as Error)
      }
    } else {
      socket.destroy()
    }
  }
}

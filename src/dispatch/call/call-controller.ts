import { errors, type Dispatcher } from 'undici'
import type { Attempt } from './attempt.ts'
import type { Hedge } from '../hedge/hedge.ts'

/**
 * The controller that the caller's handler gets, once and at once, whatever attempt is under way: an abort takes
 * effect while a name is resolved, between attempts and while connecting, where undici's own controllers do not
 * exist yet.
 */
export abstract class CallController implements Dispatcher.DispatchController {
  aborted: boolean
  paused: boolean
  reason: Error | null
  /** Begun last, or the one whose response is the call's. */
  protected attempt: Attempt | undefined
  /** Only where the call may be hedged. */
  protected hedge: Hedge | undefined
  /** What ended it has been told, or is being told. */
  protected isOver: boolean

  constructor() {
    this.aborted = false
    this.paused = false
    this.reason = null
    this.attempt = undefined
    this.hedge = undefined
    this.isOver = false
  }

  /** Ends the call, and with it what is under way. */
  abstract failed(error: Error): void

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
    this.attempt?.abort(this.reason)
    this.failed(this.reason)
  }
}

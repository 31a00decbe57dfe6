import type { Dispatcher } from 'undici'
import { Attempt } from './attempt.ts'

/** Whether the caller's handler follows the sending of its request. */
export function followsSending(handler: Dispatcher.DispatchHandler): boolean {
  return (
    handler.onRequestSent !== undefined ||
    handler.onBodySent !== undefined ||
    handler.onResponseStarted !== undefined
  )
}

/**
 * An attempt that follows how much of the request is sent: for streamed bodies, whose headers leave with the first chunk,
 * and for handlers that follow it. All other requests leave in one piece; without these methods undici calls nothing.
 */
export class FollowedAttempt extends Attempt {
  onBodySent(chunk: Buffer): void {
    this.headersSent = true
    const { handler } = this.call
    if (handler.onBodySent !== undefined && !this.isOver) this.#run(() => handler.onBodySent?.(chunk))
  }

  onRequestSent(): void {
    this.headersSent = true
    const { handler } = this.call
    if (handler.onRequestSent !== undefined && !this.isOver) this.#run(() => handler.onRequestSent?.())
  }

  onResponseStarted(): void {
    this.headersSent = true
    const { handler } = this.call
    if (handler.onResponseStarted !== undefined && this.isWaiting)
      this.#run(() => handler.onResponseStarted?.())
  }

  /** Runs the caller's code. */
  #run(callback: () => void): void {
    this.call.context.runInAsyncScope(() => {
      try {
        callback()
      } catch (error) {
        this.callerThrew(error as Error)
      }
    })
  }
}

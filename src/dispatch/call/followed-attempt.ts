import type { Dispatcher } from 'undici'
import { Attempt } from './attempt.ts'
import { SendingInContext, type SendingHandler } from './in-context.ts'

/** Whether the caller is told how far sending its request is. */
export function followsSending(handler: Dispatcher.DispatchHandler): boolean {
  return (
    handler.onRequestSent !== undefined ||
    handler.onBodySent !== undefined ||
    handler.onResponseStarted !== undefined
  )
}

/**
 * An attempt that follows how far sending is, and tells the caller: for bodies that are streamed, of which the first
 * chunk takes the headers along, and for callers who want to know. undici calls nothing for the others, whose requests
 * leave in one piece.
 */
export class FollowedAttempt extends Attempt implements SendingHandler {
  protected override handlerInContext(): Dispatcher.DispatchHandler {
    return new SendingInContext(this.call.context, this)
  }

  onBodySent(chunk: Buffer): void {
    this.headersSent = true
    const { handler } = this.call
    if (handler.onBodySent !== undefined && !this.isOver) this.#tell(() => handler.onBodySent?.(chunk))
  }

  onRequestSent(): void {
    this.headersSent = true
    const { handler } = this.call
    if (handler.onRequestSent !== undefined && !this.isOver) this.#tell(() => handler.onRequestSent?.())
  }

  onResponseStarted(): void {
    this.headersSent = true
    const { handler } = this.call
    if (handler.onResponseStarted !== undefined && this.isWaiting)
      this.#tell(() => handler.onResponseStarted?.())
  }

  #tell(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.callerThrew(error as Error)
    }
  }
}

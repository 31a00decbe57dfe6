import type { AsyncResource } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { InLine, Line } from '../connections/connector.ts'

type Handler = Dispatcher.DispatchHandler
type Controller = Dispatcher.DispatchController

/** Those callbacks of undici's that are always there. */
export type AttemptHandler = Required<
  Pick<
    Handler,
    | 'onRequestStart'
    | 'onRequestUpgrade'
    | 'onResponseStart'
    | 'onResponseData'
    | 'onResponseEnd'
    | 'onResponseError'
  >
> &
  Pick<InLine, 'lineUp'>

/** Those that tell how far sending is. */
export type SendingHandler = AttemptHandler &
  Required<Pick<Handler, 'onBodySent' | 'onRequestSent' | 'onResponseStarted'>>

/**
 * A handler whose callbacks run in an async context of its own. undici calls back in that of whoever opened the
 * connection, which is another call's as a rule: what `AsyncLocalStorage` holds, a trace say, would be another's in
 * retries, in events, and in the caller's handler.
 */
export class InContext<Inner extends AttemptHandler = AttemptHandler> implements AttemptHandler {
  protected readonly context: AsyncResource
  protected readonly inner: Inner

  constructor(context: AsyncResource, inner: Inner) {
    this.context = context
    this.inner = inner
  }

  /** For `PipeliningClient`, which sees the handler that undici gets. */
  lineUp(line: Line): void {
    this.inner.lineUp(line)
  }

  /** Runs nothing of the caller's. */
  onRequestStart(controller: Controller, context: unknown): void {
    this.inner.onRequestStart(controller, context)
  }

  onRequestUpgrade(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    const { context, inner } = this
    context.runInAsyncScope(inner.onRequestUpgrade, inner, controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    const { context, inner } = this
    context.runInAsyncScope(inner.onResponseStart, inner, controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    const { context, inner } = this
    context.runInAsyncScope(inner.onResponseData, inner, controller, chunk)
  }

  onResponseEnd(controller: Controller, trailers: IncomingHttpHeaders): void {
    const { context, inner } = this
    context.runInAsyncScope(inner.onResponseEnd, inner, controller, trailers)
  }

  onResponseError(controller: Controller, error: Error): void {
    const { context, inner } = this
    context.runInAsyncScope(inner.onResponseError, inner, controller, error)
  }
}

/** The same, for a handler that follows sending; undici calls nothing for the others. */
export class SendingInContext extends InContext<SendingHandler> implements SendingHandler {
  onBodySent(chunk: Buffer): void {
    this.context.runInAsyncScope(this.inner.onBodySent, this.inner, chunk)
  }

  onRequestSent(): void {
    this.context.runInAsyncScope(this.inner.onRequestSent, this.inner)
  }

  onResponseStarted(): void {
    this.context.runInAsyncScope(this.inner.onResponseStarted, this.inner)
  }
}

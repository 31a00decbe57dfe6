import type { AsyncResource } from 'node:async_hooks'
import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'

type Handler = Dispatcher.DispatchHandler
/** undici's, of one attempt. */
export type Controller = Dispatcher.DispatchController

/**
 * undici's callbacks, run in the async context of their own call. undici runs them in the context of the call that
 * opened the connection: `AsyncLocalStorage` would give retries, events and the caller's handler another call's store.
 */
export abstract class InContext implements Handler {
  /** The caller's async context. */
  protected abstract readonly context: AsyncResource

  protected abstract upgraded(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void

  protected abstract responded(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void

  protected abstract received(chunk: Buffer): void

  protected abstract ended(trailers: IncomingHttpHeaders): void

  protected abstract errored(error: Error): void

  onRequestUpgrade(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.context.runInAsyncScope(this.upgraded, this, controller, statusCode, headers, socket)
  }

  onResponseStart(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    this.context.runInAsyncScope(this.responded, this, controller, statusCode, headers, statusMessage)
  }

  onResponseData(_controller: Controller, chunk: Buffer): void {
    this.context.runInAsyncScope(this.received, this, chunk)
  }

  onResponseEnd(_controller: Controller, trailers: IncomingHttpHeaders): void {
    this.context.runInAsyncScope(this.ended, this, trailers)
  }

  onResponseError(_controller: Controller | undefined, error: Error): void {
    this.context.runInAsyncScope(this.errored, this, error)
  }
}

import type { IncomingHttpHeaders } from 'node:http'
import type { Duplex } from 'node:stream'
import { util, type Dispatcher } from 'undici'

type Handler = Dispatcher.DispatchHandler
type Controller = Dispatcher.DispatchController
/** Names and values in turn, as they came in. */
type RawHeaders = Buffer[]

/**
 * A request on its way to a dispatcher that may be of any undici: that of undici 6, in Node 22, calls the handlers of
 * the older contract, later ones those of the newer. This has both, and passes everything on in the newer.
 */
export class PassedCall implements Handler {
  readonly #handler: Handler
  readonly #over: (call: PassedCall) => void
  #controller: Controller | undefined
  #legacy: LegacyController | undefined
  /** Why it was cut, if it was. */
  #cutBy: Error | undefined

  /** @param over called once, when nothing more comes of it; an upgraded socket belongs to the caller */
  constructor(handler: Handler, over: (call: PassedCall) => void) {
    this.#handler = handler
    this.#over = over
  }

  cut(error: Error): void {
    if (this.#cutBy !== undefined) return
    this.#cutBy = error
    if (this.#controller !== undefined) {
      this.#controller.abort(error)
      return
    }
    // Not begun yet, and what comes of it later is not passed on.
    this.#over(this)
    this.#handler.onResponseError?.(null as never, error)
  }

  onRequestStart(controller: Controller, context: unknown): void {
    if (this.#cutBy !== undefined && this.#controller === undefined) {
      controller.abort(this.#cutBy)
      return
    }
    this.#controller = controller
    this.#handler.onRequestStart?.(controller, context)
  }

  onRequestUpgrade(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    socket: Duplex,
  ): void {
    this.#handler.onRequestUpgrade?.(controller, statusCode, headers, socket)
    this.#over(this)
  }

  onResponseStart(
    controller: Controller,
    statusCode: number,
    headers: IncomingHttpHeaders,
    statusMessage?: string,
  ): void {
    this.#handler.onResponseStart?.(controller, statusCode, headers, statusMessage)
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    this.#handler.onResponseData?.(controller, chunk)
  }

  onResponseEnd(controller: Controller, trailers: IncomingHttpHeaders): void {
    this.#handler.onResponseEnd?.(controller, trailers)
    this.#over(this)
  }

  onResponseError(controller: Controller, error: Error): void {
    if (this.#cutBy !== undefined && this.#controller === undefined) return
    this.#over(this)
    this.#handler.onResponseError?.(controller, error)
  }

  onBodySent(chunk: Buffer): void {
    this.#handler.onBodySent?.(chunk)
  }

  onRequestSent(): void {
    this.#handler.onRequestSent?.()
  }

  onResponseStarted(): void {
    this.#handler.onResponseStarted?.()
  }

  onConnect(abort: (reason?: Error) => void, context: unknown): void {
    this.#legacy = new LegacyController(abort)
    this.onRequestStart(this.#legacy, context)
  }

  onUpgrade(statusCode: number, rawHeaders: RawHeaders | null, socket: Duplex): void {
    const controller = this.#current()
    controller.rawHeaders = rawHeaders ?? []
    this.onRequestUpgrade(controller, statusCode, parsed(rawHeaders), socket)
  }

  /** @returns false to get no body until `resume` is called */
  onHeaders(
    statusCode: number,
    rawHeaders: RawHeaders | null,
    resume: () => void,
    statusText: string,
  ): boolean {
    const controller = this.#current()
    controller.rawHeaders = rawHeaders ?? []
    controller.resumeBy(resume)
    this.onResponseStart(controller, statusCode, parsed(rawHeaders), statusText)
    return !controller.paused
  }

  onData(chunk: Buffer): boolean {
    const controller = this.#current()
    this.onResponseData(controller, chunk)
    return !controller.paused
  }

  onComplete(rawTrailers: RawHeaders | null): void {
    const controller = this.#current()
    controller.rawTrailers = rawTrailers ?? []
    this.onResponseEnd(controller, parsed(rawTrailers))
  }

  onError(error: Error): void {
    // None where nothing was begun.
    this.onResponseError(this.#legacy as never, error)
  }

  #current(): LegacyController {
    if (this.#legacy === undefined) throw new Error('a response came before its request was begun')
    return this.#legacy
  }
}

/** The controller of the newer contract, by what the older one has: `abort`, `resume`, and results of callbacks. */
class LegacyController implements Controller {
  rawHeaders: RawHeaders = []
  rawTrailers: RawHeaders = []
  paused = false
  aborted = false
  reason: Error | null = null
  readonly #abort: (reason?: Error) => void
  #resume: (() => void) | undefined

  constructor(abort: (reason?: Error) => void) {
    this.#abort = abort
  }

  resumeBy(resume: () => void): void {
    this.#resume = resume
  }

  pause(): void {
    this.paused = true
  }

  resume(): void {
    if (!this.paused) return
    this.paused = false
    this.#resume?.()
  }

  abort(reason: Error): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    this.#abort(reason)
  }
}

function parsed(rawHeaders: RawHeaders | null): IncomingHttpHeaders {
  return rawHeaders === null || rawHeaders.length === 0 ? {} : util.parseHeaders(rawHeaders)
}

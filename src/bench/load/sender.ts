import type { Dispatcher } from 'undici'
import { SUCCEEDED, type Recording } from './recording.ts'

/** The load that a call is part of. */
export interface Load {
  readonly recording: Recording
  /** In ms since the start. */
  now(): number
  /** @param error why it failed, if it did */
  ended(call: CallHandler, error?: Error): void
}

/**
 * One call: undici's handler, which writes the times into the recording. All arms have the same, so that what it costs is in
 * all of them alike.
 */
export class CallHandler implements Dispatcher.DispatchHandler {
  /** In ms since the start of the run. */
  readonly sentMs: number
  readonly #call: number
  readonly #load: Load
  #controller: Dispatcher.DispatchController | undefined = undefined
  #status = 0
  #isOver = false

  constructor(call: number, load: Load) {
    this.#call = call
    this.#load = load
    this.sentMs = load.now()
    load.recording.sentMs[call] = this.sentMs
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    // It waited for a connection until its time was over.
    if (this.#isOver) controller.abort(new Error('the call is over'))
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    // 103 Early Hints and the like come before the answer.
    if (status >= 200) this.#status = status
  }

  onResponseData(): void {
    // The body is read and dropped.
  }

  onResponseEnd(): void {
    this.#end(this.#status < 400 ? undefined : `status ${this.#status}`)
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#end(errorKind(error), error)
  }

  /** Ends a call that is under way, as a failure of this kind. */
  giveUp(kind: string): void {
    this.#end(kind)
    this.#controller?.abort(new Error(kind))
  }

  #end(failure: string | undefined, error?: Error): void {
    if (this.#isOver) return
    this.#isOver = true
    const { recording } = this.#load
    recording.endMs[this.#call] = this.#load.now()
    if (failure === undefined) recording.outcome[this.#call] = SUCCEEDED
    else recording.setFailure(this.#call, failure)
    this.#load.ended(this, error)
  }
}

/** undici's own codes do not say more than the code of what caused them. */
const MAX_CAUSES = 5

/** What a failed call counts as: `ECONNREFUSED`, `UND_ERR_SOCKET`, `ONEHOP_NO_ENDPOINTS`. */
function errorKind(error: unknown): string {
  let kind = error instanceof Error ? error.name : 'error'
  let cause: unknown = error
  for (let depth = 0; depth < MAX_CAUSES && cause instanceof Error; depth++) {
    const { code } = cause as NodeJS.ErrnoException
    if (typeof code === 'string' && code !== '') kind = code
    cause = cause.cause
  }
  return kind
}

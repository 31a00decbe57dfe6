import type { Dispatcher } from 'undici'
import { SUCCEEDED, type Recording } from './recording.ts'

/** Gets notified of the end of each call. */
export interface CallEnd {
  /** @param error why it failed, if it did */
  ended(call: CallHandler, error?: Error): void
}

/**
 * One call: undici's handler, which writes the times into the recording. All arms have the same, so that what it costs is in
 * all of them alike.
 */
export class CallHandler implements Dispatcher.DispatchHandler {
  readonly call: number
  /** In ms since the start of the run. */
  readonly sentMs: number
  readonly #recording: Recording
  readonly #now: () => number
  readonly #owner: CallEnd
  #controller: Dispatcher.DispatchController | undefined = undefined
  #status = 0
  #isOver = false

  constructor(call: number, recording: Recording, now: () => number, owner: CallEnd) {
    this.call = call
    this.#recording = recording
    this.#now = now
    this.#owner = owner
    this.sentMs = now()
    recording.sentMs[call] = this.sentMs
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
    const { call } = this
    this.#recording.endMs[call] = this.#now()
    if (failure === undefined) this.#recording.outcome[call] = SUCCEEDED
    else this.#recording.setFailure(call, failure)
    this.#owner.ended(this, error)
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

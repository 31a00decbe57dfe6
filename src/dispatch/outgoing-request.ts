import type { Dispatcher } from 'undici'
import { brokeOff, isOneShot, recorded, sendable, type RecordedBody } from './body.ts'
import { checkCallOptions } from './call-options.ts'
import { withHeader } from './headers.ts'
import { isRepeatable } from './idempotence.ts'
import type { RetryOptions } from './retry-policy.ts'

/** undici refuses these requests before it sends anything: no other upstream would take them either. */
const CALLERS_FAULTS = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  // A stream for a body that was closed before its end.
  'UND_ERR_ABORTED',
])

/** What a caller wants sent, in a form that can be sent more than once where that is possible. */
export class OutgoingRequest {
  /** Its own, with headers as a list: what the caller does with theirs changes no attempt. */
  readonly options: Dispatcher.DispatchOptions
  /** Whether its body reaches undici as a stream or an iterable. */
  readonly streamsBody: boolean
  readonly #body: RecordedBody | undefined

  /** @throws InvalidOptionsError for what it says of itself */
  constructor(options: Dispatcher.DispatchOptions, retry: RetryOptions | undefined) {
    this.options = sendable(options)
    checkCallOptions(this.options)
    const { body } = this.options
    this.streamsBody = isOneShot(body)
    this.#body = recorded(body, retry?.maxReplayBytes)
  }

  get isRepeatable(): boolean {
    return isRepeatable(this.options)
  }

  /** Whether another attempt, after the last, would send the same body. */
  get isReplayable(): boolean {
    return this.#body === undefined ? true : this.#body.replayable
  }

  /** Whether another attempt could send the same body while the last goes on. */
  get isReplayableBeside(): boolean {
    return this.#body === undefined ? !this.streamsBody : this.#body.isDelivered
  }

  /** What the body itself failed with. */
  get bodyError(): Error | undefined {
    return this.#body?.error
  }

  /** Whether the request itself is to blame. */
  isToBlameFor(error: Error): boolean {
    if (this.bodyError !== undefined || brokeOff(this.options.body, error)) return true
    return CALLERS_FAULTS.has((error as NodeJS.ErrnoException).code ?? '')
  }

  /** As undici is to get it for one more attempt. */
  forAttempt(): Dispatcher.DispatchOptions {
    if (this.#body === undefined) return this.options
    return { ...this.options, body: this.#body.read() as never }
  }

  /** The same, with a header that only this attempt has. */
  forAttemptWith(name: string, value: string): Dispatcher.DispatchOptions {
    const options = this.forAttempt()
    return { ...options, headers: withHeader(options.headers, name, value) as never }
  }

  /** The attempt has failed, and there may be another. */
  rest(): void {
    this.#body?.rest()
  }

  /** The call is over. */
  close(): void {
    this.#body?.close()
  }
}

import type { Dispatcher } from 'undici'
import { brokeOff, isOneShot, recorded, sendable, type BodyReader, type RecordedBody } from './body.ts'
import { checkCallOptions } from './call-options.ts'
import { isRepeatable } from './idempotence.ts'
import type { RetryOptions } from './retry-policy.ts'
import { withHeader } from './with-header.ts'

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
  readonly options: Dispatcher.DispatchOptions
  /** Whether its body reaches undici as a stream or an iterable. */
  readonly streamsBody: boolean
  /** The request's own limit to response headers; 0: none, undefined: it has none of its own. */
  readonly headersTimeout: number | undefined
  readonly #body: RecordedBody | undefined

  /**
   * @param mayBeHttp2 where undici must not read a stream itself: it resets a request whose body fails
   * @throws InvalidOptionsError for what it says of itself
   */
  constructor(options: Dispatcher.DispatchOptions, retry: RetryOptions | undefined, mayBeHttp2: boolean) {
    checkCallOptions(options)
    this.headersTimeout = ownLimit(options.headersTimeout)
    const sent = sendable(options)
    // undici's timer would fire up to half a second early.
    this.options = this.headersTimeout === undefined ? sent : { ...sent, headersTimeout: 0 }
    const { body } = this.options
    this.streamsBody = isOneShot(body)
    this.#body = recorded(body, retry?.maxReplayBytes, mayBeHttp2)
  }

  get hasBody(): boolean {
    return (this.options.body ?? null) !== null
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

  /** As undici is to get it for one more attempt: nearly always the caller's own object. */
  forAttempt(reader?: BodyReader): Dispatcher.DispatchOptions {
    if (this.#body === undefined) return this.options
    return { ...this.options, body: this.#body.read(reader) as never }
  }

  /** The same, with a header that only this attempt has. */
  forAttemptWith(reader: BodyReader | undefined, name: string, value: string): Dispatcher.DispatchOptions {
    const options = this.forAttempt(reader)
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

/** @returns undefined also for what undici refuses: it has the words for that */
function ownLimit(limitMs: unknown): number | undefined {
  return typeof limitMs === 'number' && Number.isFinite(limitMs) && limitMs >= 0 ? limitMs : undefined
}

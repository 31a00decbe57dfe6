import { isIP } from 'node:net'
import type { Dispatcher } from 'undici'
import { brokeOff, isOneShot, recorded, sendable, type BodyReader, type RecordedBody } from './replay-body.ts'
import { checkCallOptions } from './call-options.ts'
import { withHeader } from './headers.ts'
import { isRepeatable } from './idempotence.ts'
import { KeyedRequest } from './keyed-request.ts'
import type { RetryOptions } from '../retry/policy.ts'

/** What a caller wants sent, in a form that can be sent more than once where that is possible. */
export class OutgoingRequest {
  /** Its own, with headers as a list: what the caller does with theirs changes no attempt. */
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
    const sent = sendable(options)
    checkCallOptions(sent)
    this.headersTimeout = ownLimit(sent.headersTimeout)
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

  /** Whether its body is to blame. */
  isToBlameFor(error: Error): boolean {
    return this.bodyError !== undefined || brokeOff(this.options.body, error)
  }

  /**
   * Whether it wants TLS for another name than the other requests, by its own `Host` header or `servername`.
   * @param origin by which its upstream is called
   */
  asksForAnotherName(origin: string): boolean {
    const { servername } = this.options as { servername?: unknown }
    const asked = servername ?? new KeyedRequest(this.options).header('host')
    const name = typeof asked === 'string' ? hostnameOf(`https://${asked}`) : undefined
    // undici takes no server name from an address.
    return name !== undefined && isIP(name.replace(/^\[|\]$/g, '')) === 0 && name !== hostnameOf(origin)
  }

  /** As undici is to get it for one more attempt. */
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

function hostnameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined
}

/** @returns undefined also for what undici refuses: it has the words for that */
function ownLimit(limitMs: unknown): number | undefined {
  return typeof limitMs === 'number' && Number.isFinite(limitMs) && limitMs >= 0 ? limitMs : undefined
}

import { isIP } from 'node:net'
import type { Dispatcher } from 'undici'
import { isHandshakeError, isHttp1Wanted, isOfferRefused } from '../error-kinds.ts'
import type { RetryOptions } from '../retry/policy.ts'
import { checkCallOptions, type CallOptions } from './call-options.ts'
import { ReadableRequest, withHeader } from './headers.ts'
import { isRepeatable } from './idempotence.ts'
import type { BodyReader, RecordedBody } from './recorded-body.ts'
import { brokeOff, isOneShot, recorded } from './replay-body.ts'
import { sendable } from './sendable.ts'

/** A caller's request, in a form that can be sent more than once where possible. */
export class OutgoingRequest {
  /** A copy, with headers as a flat list: later changes by the caller have no effect. */
  readonly options: Dispatcher.DispatchOptions
  /** Whether undici reads its body as a stream or an iterable. */
  readonly streamsBody: boolean
  /** Its own limit to response headers, in ms. 0: none. undefined: the service's limit applies. */
  readonly headersTimeout: number | undefined
  /** Whether it needs HTTP/1.1: for its caller, its upgrade, or since HTTP/2 refused its WebSocket. */
  http1Only: boolean
  readonly #body: RecordedBody | undefined

  /**
   * @param mayBeHttp2 then undici must not read a stream itself: it resets a request whose body fails
   * @throws InvalidOptionsError for call options that are not allowed
   */
  constructor(
    options: Dispatcher.DispatchOptions,
    retry: RetryOptions | undefined,
    mayBeHttp2: boolean,
    http1Only: boolean,
  ) {
    const sent = sendable(options)
    checkCallOptions(sent)
    this.headersTimeout = ownLimit(sent.headersTimeout)
    // undici's timer would fire up to half a second early.
    this.options = this.headersTimeout === undefined ? sent : { ...sent, headersTimeout: 0 }
    const { body } = this.options
    this.streamsBody = isOneShot(body)
    this.http1Only = http1Only || needsHttp1(options)
    this.#body = recorded(body, retry?.maxReplayBytes, mayBeHttp2)
  }

  /** The call's own deadline, in ms. undefined: the service's. */
  get deadlineMs(): number | undefined {
    return (this.options as CallOptions).deadlineMs
  }

  get isRepeatable(): boolean {
    return isRepeatable(this.options)
  }

  /** Whether another attempt, after the last one, would send the same body. */
  get isReplayable(): boolean {
    return this.#body === undefined ? true : this.#body.replayable
  }

  /** Whether another attempt could send the same body beside the last one. */
  get isReplayableBeside(): boolean {
    return this.#body === undefined ? !this.streamsBody : this.#body.isDelivered
  }

  /** The error that the body itself failed with. */
  get bodyError(): Error | undefined {
    return this.#body?.error
  }

  /** What a balancer's `keyOf` gets. */
  get readable(): ReadableRequest {
    return new ReadableRequest(this.options)
  }

  /**
   * Whether the request is at fault for an error: its body, its protocol, or the name that it asks TLS for.
   * @param origin of the upstream [the request's]
   */
  isToBlameFor(error: Error, origin: string | undefined): boolean {
    if (this.bodyError !== undefined || brokeOff(this.options.body, error)) return true
    // Other requests speak HTTP/2 with the upstream.
    if (this.http1Only && isOfferRefused(error)) return true
    return isHandshakeError(error) && this.#asksForAnotherName(origin ?? String(this.options.origin))
  }

  /** Whether its `Host` header or `servername` asks TLS for another name than other requests do. */
  #asksForAnotherName(origin: string): boolean {
    const { servername } = this.options as { servername?: unknown }
    const asked = servername ?? this.readable.header('host')
    const name = typeof asked === 'string' ? hostnameOf(`https://${asked}`) : undefined
    // undici takes no server name from an address.
    return name !== undefined && isIP(name.replace(/^\[|\]$/g, '')) === 0 && name !== hostnameOf(origin)
  }

  /** If HTTP/2 refused its WebSocket, sends further attempts over HTTP/1.1. @returns whether it does so now */
  trySwitchToHttp1(error: Error): boolean {
    if (this.http1Only || !isHttp1Wanted(error)) return false
    this.http1Only = true
    return true
  }

  /** What undici gets for one more attempt. */
  forAttempt(reader?: BodyReader): Dispatcher.DispatchOptions {
    if (this.#body === undefined) return this.options
    return { ...this.options, body: this.#body.read(reader) as never }
  }

  /** An attempt's options with a header that is known only when it is sent. */
  withHeader(options: Dispatcher.DispatchOptions, name: string, value: string): Dispatcher.DispatchOptions {
    return { ...options, headers: withHeader(options.headers, name, value) as never }
  }

  /** The attempt has failed. Nothing is read until another one begins. */
  rest(): void {
    this.#body?.rest()
  }

  /** The call is over. */
  close(): void {
    this.#body?.close()
  }
}

/** HTTP/2 knows no upgrade but to a WebSocket. */
function needsHttp1({ upgrade }: Dispatcher.DispatchOptions): boolean {
  return typeof upgrade === 'string' && upgrade !== '' && upgrade.toLowerCase() !== 'websocket'
}

function hostnameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined
}

/** @returns undefined also for a value that undici refuses with its own message */
function ownLimit(limitMs: unknown): number | undefined {
  return typeof limitMs === 'number' && Number.isFinite(limitMs) && limitMs >= 0 ? limitMs : undefined
}

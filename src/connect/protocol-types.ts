/**
 * What Connect (`@connectrpc/connect` 2) passes and expects, as far as this door needs it. Declared here, so that
 * applications without Connect need none of its types.
 */

/** `UniversalClientRequest` of Connect. */
export interface UniversalRequest {
  /** Absolute. */
  readonly url: string
  /** `POST`, or `GET` for calls of the Connect protocol without side effects (`useHttpGet`). */
  readonly method: string
  /** Of the request, with what the protocol adds. */
  readonly header: Headers
  /** undefined: none. */
  readonly body?: AsyncIterable<Uint8Array> | undefined
  /** Aborted at the call's deadline, and when the call is over. */
  readonly signal?: AbortSignal | undefined
}

/** `UniversalClientResponse` of Connect. */
export interface UniversalResponse {
  /** Of HTTP; gRPC's own is in the header or the trailer. */
  readonly status: number
  /** Of the response. */
  readonly header: Headers
  /** Read once. */
  readonly body: AsyncIterable<Uint8Array>
  /** Empty until the body has been read. */
  readonly trailer: Headers
}

/** `UniversalClientFn` of Connect: the option `httpClient` of `createTransport`. */
export type UniversalClient = (request: UniversalRequest) => Promise<UniversalResponse>

/** What `callKinds` reads of a request of Connect's interceptors. */
export interface InterceptedCall {
  /** Whether the client, the server or both send a stream of messages. */
  readonly stream: boolean
  /** What the .proto says of the method. */
  readonly method: {
    /** `idempotency_level` of the .proto: 1 is `NO_SIDE_EFFECTS`, 2 is `IDEMPOTENT`. */
    readonly idempotency: number
  }
  /** Of the request. `callKinds` notes the call by this object. */
  readonly header: Headers
}

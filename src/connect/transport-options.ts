import type { Dispatcher } from 'undici'
import { InvalidOptionsError } from '../index.ts'
import { callKinds } from './call-kinds.ts'
import type { UniversalClient } from './protocol-types.ts'
import { universalClient } from './universal-client.ts'

/** Options of Connect's `createTransport`, all but `baseUrl`. The numbers are those of `@connectrpc/connect-node`. */
export interface TransportOptions<Interceptor> {
  /** Over the dispatcher. */
  readonly httpClient: UniversalClient
  /** true: protobuf, not JSON. */
  readonly useBinaryFormat: boolean
  /** Those that were given, then {@link callKinds}. */
  readonly interceptors: (Interceptor | typeof callKinds)[]
  /** None: responses are not compressed. */
  readonly acceptCompression: never[]
  /** None: requests are not compressed. */
  readonly sendCompression: null
  /** In bytes; it says nothing without compression. */
  readonly compressMinBytes: number
  /** The largest message of a response, in bytes. */
  readonly readMaxBytes: number
  /** The largest message of a request, in bytes. */
  readonly writeMaxBytes: number
}

/** As much as a length of gRPC can say. */
const MAX_BYTES = 0xff_ff_ff_ff

/**
 * The options that Connect's `createTransport` requires, over a dispatcher, whatever the protocol:
 *
 *     createTransport({ ...transportOptions(client.dispatcher), baseUrl: 'http://orders.shop.local' })
 *
 * @param dispatcher `client.dispatcher`, or another one of undici
 * @param interceptors interceptors of Connect, the first one outermost [none]
 * @throws InvalidOptionsError if `dispatcher` is not a dispatcher, or `interceptors` is not an array
 */
export function transportOptions<Interceptor = never>(
  dispatcher: Dispatcher,
  interceptors: readonly Interceptor[] = [],
): TransportOptions<Interceptor> {
  const given: unknown = interceptors
  if (!Array.isArray(given) || !given.every((interceptor) => typeof interceptor === 'function'))
    throw new InvalidOptionsError(
      'interceptors',
      given,
      'an array of interceptors of Connect, which are functions',
    )
  return {
    httpClient: universalClient(dispatcher),
    useBinaryFormat: true,
    interceptors: [...interceptors, callKinds],
    acceptCompression: [],
    sendCompression: null,
    compressMinBytes: 1_024,
    readMaxBytes: MAX_BYTES,
    writeMaxBytes: MAX_BYTES,
  }
}

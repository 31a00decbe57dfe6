import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { InvalidOptionsError } from '../index.ts'
import { bodyError, callError } from './call-error.ts'
import { kindOf } from './call-kinds.ts'
import { deadlineMsOf } from './deadline.ts'
import type { UniversalClient, UniversalRequest, UniversalResponse } from './protocol-types.ts'
import { requestBody, type RequestBody } from './request-body.ts'

/** How long and how large the rest of a response may be whose headers have an error, so that it is read. */
const MAX_REST_MS = 1_000
const MAX_REST_BYTES = 65_536

type Options = Dispatcher.RequestOptions & { deadlineMs?: number }

/**
 * The option `httpClient` of Connect's `createTransport`, for gRPC, gRPC-web and the Connect protocol: each call goes over
 * the dispatcher, with its discovery, balancing and retries. Failures are errors of Connect, with its codes.
 * @param dispatcher `client.dispatcher`, or another one of undici
 * @throws InvalidOptionsError if it is not a dispatcher
 */
export function universalClient(dispatcher: Dispatcher): UniversalClient {
  const given: unknown = dispatcher
  if (typeof given !== 'object' || given === null || !('request' in given) || !('dispatch' in given))
    throw new InvalidOptionsError('dispatcher', given, 'client.dispatcher, or a dispatcher of undici')
  return async (request) => {
    try {
      return await send(dispatcher, request)
    } catch (error) {
      throw callError(error)
    }
  }
}

async function send(dispatcher: Dispatcher, request: UniversalRequest): Promise<UniversalResponse> {
  request.signal?.throwIfAborted()
  const isStream = kindOf(request.header)?.stream ?? (isConnectStream(request.header) || undefined)
  const body = await requestBody(request.body && failingAsInternal(request.body), isStream)
  const { statusCode, headers, body: content, trailers } = await dispatcher.request(optionsOf(request, body))
  const header = headersOf(headers)
  const trailer = new Headers()
  if (!hasFailed(header))
    return { status: statusCode, header, body: chunksOf(content, trailers, trailer), trailer }
  // Connect throws this error, and may never read the body. If that ends, its connection can be used again.
  const signal = AbortSignal.timeout(MAX_REST_MS)
  await content.dump({ limit: MAX_REST_BYTES, signal }).catch(() => undefined)
  return { status: statusCode, header, body: nothing(), trailer }
}

/** Whether the headers have an error of gRPC. After OK among the headers, messages may follow. */
function hasFailed(header: Headers): boolean {
  const status = header.get('grpc-status')
  return status !== null && status !== '0'
}

function optionsOf({ url, method, header, signal }: UniversalRequest, body: RequestBody): Options {
  const { origin, pathname, search } = new URL(url)
  const options: Options = {
    origin,
    path: pathname + search,
    method,
    headers: [...header].flat(),
    body: body.kind === 'whole' ? body.bytes : (body.chunks as never),
  }
  if (signal !== undefined) options.signal = signal
  const kind = kindOf(header)
  if (kind?.idempotent === true) options.idempotent = true
  const deadlineMs = deadlineMsOf(header)
  if (deadlineMs !== undefined) options.deadlineMs = deadlineMs
  // A stream may say nothing for hours, in both directions. Its deadline is the caller's.
  if (kind?.stream === true || body.kind === 'stream') {
    options.headersTimeout = 0
    options.bodyTimeout = 0
  }
  return options
}

/** The body, whose own failures are not those of a connection. */
async function* failingAsInternal(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } catch (error) {
    throw bodyError(error)
  }
}

/** By its media type. Those of gRPC are the same for streams and single messages. */
function isConnectStream(header: Headers): boolean {
  return header.get('content-type')?.startsWith('application/connect+') === true
}

function headersOf(headers: IncomingHttpHeaders): Headers {
  const result = new Headers()
  for (const [name, value] of Object.entries(headers)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) result.append(name, one)
  }
  return result
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

async function* chunksOf(
  content: AsyncIterable<Uint8Array>,
  trailers: Record<string, string | string[]>,
  trailer: Headers,
): AsyncGenerator<Uint8Array> {
  try {
    yield* content
  } catch (error) {
    throw callError(error)
  }
  for (const [name, value] of headersOf(trailers)) trailer.append(name, value)
}

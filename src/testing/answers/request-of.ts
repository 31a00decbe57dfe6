import { stringify, type ParsedUrlQueryInput } from 'node:querystring'
import { inspect } from 'node:util'
import { Response as UndiciResponse, type Dispatcher } from 'undici'

/** A request, and its body as it was sent. */
interface WholeRequest {
  readonly request: globalThis.Request
  readonly body: Buffer<ArrayBuffer> | undefined
}

/**
 * The request of a dispatch as a `Request` of this Node, with its whole body.
 * @throws TypeError for what a `Request` cannot be: `CONNECT`, `TRACE`, a GET with a body
 */
export async function requestOf(
  options: Dispatcher.DispatchOptions,
  signal: AbortSignal,
): Promise<WholeRequest> {
  const { method } = options
  const url = urlOf(options)
  if (method === 'CONNECT' || Boolean(options.upgrade))
    throw new TypeError(`${method} ${url}: an upgraded connection cannot be answered with a Response`)
  const headers = headersOf(options.headers)
  const { bytes, type } = await readWhole(options.body, signal)
  if (type !== null && !headers.has('content-type')) headers.set('content-type', type)
  // A GET may have an empty body on the wire, and none as a `Request`.
  const body = bytes.length === 0 ? undefined : bytes
  // The caller follows redirects, or does not.
  const init: RequestInit = { method, headers, signal, redirect: 'manual' }
  return { request: new Request(url, body === undefined ? init : { ...init, body }), body }
}

function urlOf({ origin, path, query }: Dispatcher.DispatchOptions): string {
  const base = origin instanceof URL ? origin.origin : (origin ?? '')
  return query === undefined ? base + path : `${base}${path}?${stringify(query as ParsedUrlQueryInput)}`
}

/** In each form that undici takes: a flat list of names and values, pairs, or an object. */
function headersOf(given: unknown): Headers {
  const headers = new Headers()
  for (const [name, value] of pairsOf(given)) {
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) headers.append(name, one ?? '')
  }
  return headers
}

function pairsOf(headers: unknown): Iterable<readonly [string, string | readonly string[] | undefined]> {
  if (typeof headers !== 'object' || headers === null) return []
  if (Array.isArray(headers) && !Array.isArray(headers[0])) {
    const list: readonly string[] = headers
    return Array.from({ length: list.length / 2 }, (_, i) => [list[2 * i] ?? '', list[2 * i + 1]] as const)
  }
  if (Symbol.iterator in headers) return headers as Iterable<readonly [string, string]>
  return Object.entries(headers)
}

/** @returns also the content type, if the body itself has one: a form with its boundary, a blob */
async function readWhole(
  body: unknown,
  signal: AbortSignal,
): Promise<{ readonly bytes: Buffer<ArrayBuffer>; readonly type: string | null }> {
  if (body === undefined || body === null) return { bytes: Buffer.alloc(0), type: null }
  if (typeof body === 'string' || ArrayBuffer.isView(body)) return { bytes: bytesOf(body), type: null }
  if (isIterable(body) && !isForm(body)) return { bytes: await readChunks(body, signal), type: null }
  // Blobs and forms. A form's boundary is that of its object, in undici's own headers, too.
  const response = new UndiciResponse(body as Blob)
  return { bytes: Buffer.from(await response.arrayBuffer()), type: response.headers.get('content-type') }
}

async function readChunks(
  body: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
  signal: AbortSignal,
): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = []
  for await (const chunk of body) {
    signal.throwIfAborted()
    chunks.push(bytesOf(chunk))
  }
  return Buffer.concat(chunks)
}

/**
 * The bytes of a chunk, as a copy.
 * @throws TypeError for what is neither a string nor bytes
 */
export function bytesOf(chunk: string | ArrayBufferView): Buffer<ArrayBuffer> {
  if (typeof chunk === 'string') return Buffer.from(chunk)
  if (!ArrayBuffer.isView(chunk))
    throw new TypeError(
      `a chunk of a body must be a Uint8Array or a string; got ${inspect(chunk, { depth: 0 })}`,
    )
  return Buffer.from(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
}

function isForm(body: object): boolean {
  return body[Symbol.toStringTag as never] === 'FormData'
}

function isIterable(body: object): body is AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  return Symbol.asyncIterator in body || Symbol.iterator in body
}

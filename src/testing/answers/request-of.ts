import { stringify, type ParsedUrlQueryInput } from 'node:querystring'
import { Response as UndiciResponse, type Dispatcher } from 'undici'

/** A request body, read to its end. */
interface WholeBody {
  readonly bytes: Buffer<ArrayBuffer>
  /** What the body itself says it is: a form with its boundary, a blob. */
  readonly type: string | null
}

/**
 * The request of a dispatch as a `Request` of this Node, with its whole body.
 * @throws TypeError for what a `Request` cannot be: `CONNECT`, `TRACE`, a GET with a body
 */
export async function requestOf(
  options: Dispatcher.DispatchOptions,
  signal: AbortSignal,
): Promise<globalThis.Request> {
  const { method, body } = options
  const url = urlOf(options)
  if (method === 'CONNECT' || Boolean(options.upgrade))
    throw new TypeError(`${method} ${url}: an upgraded connection cannot be answered with a Response`)
  const headers = headersOf(options.headers)
  const whole = await readWhole(body)
  if (typeof whole?.type === 'string' && !headers.has('content-type')) headers.set('content-type', whole.type)
  // The caller follows redirects, or does not.
  const init: RequestInit = { method, headers, signal, redirect: 'manual' }
  return new Request(url, whole === undefined ? init : { ...init, body: whole.bytes })
}

/** Where a dispatch goes to, for people, too. */
export function urlOf({ origin, path, query }: Dispatcher.DispatchOptions): string {
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

async function readWhole(body: unknown): Promise<WholeBody | undefined> {
  if (body === undefined || body === null) return undefined
  if (typeof body === 'string' || ArrayBuffer.isView(body)) return notEmpty(bytesOf(body))
  if (isIterable(body) && !isForm(body)) return notEmpty(await readChunks(body))
  // Blobs and forms. A form's boundary is that of its object, in undici's own headers, too.
  const response = new UndiciResponse(body as Blob)
  return { bytes: Buffer.from(await response.arrayBuffer()), type: response.headers.get('content-type') }
}

async function readChunks(
  body: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
): Promise<Buffer<ArrayBuffer>> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(bytesOf(chunk))
  return Buffer.concat(chunks)
}

/** The bytes of a chunk, as a copy. */
export function bytesOf(chunk: string | ArrayBufferView): Buffer<ArrayBuffer> {
  if (typeof chunk === 'string') return Buffer.from(chunk)
  return Buffer.from(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
}

/** A GET may have an empty body on the wire, and none as a `Request`. */
function notEmpty(bytes: Buffer<ArrayBuffer>): WholeBody | undefined {
  return bytes.length === 0 ? undefined : { bytes, type: null }
}

function isForm(body: object): boolean {
  return body[Symbol.toStringTag as never] === 'FormData'
}

function isIterable(body: object): body is AsyncIterable<Uint8Array> | Iterable<Uint8Array> {
  return Symbol.asyncIterator in body || Symbol.iterator in body
}

/**
 * Request bodies that can be sent again.
 *
 * Each attempt reads strings, buffers, blobs and forms anew. A stream or an iterable can be read only once (`fetch` passes
 * all its bodies as one). Its chunks are kept while they are sent, up to a limit, and a later attempt sends the same
 * bytes. Beyond the limit no attempt follows: an empty or partial body is never sent.
 */
import { RecordedBody, type Chunk } from './recorded-body.ts'

/** Whether a body can be read only once. */
export function isOneShot(body: unknown): body is AsyncIterable<Chunk> | Iterable<Chunk> {
  if (typeof body !== 'object' || body === null) return false
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) return false
  // Blob, File and FormData: undici gets a new stream from them for each attempt.
  if (typeof (body as Blob).stream === 'function' || body[Symbol.toStringTag as never] === 'FormData')
    return false
  return Symbol.asyncIterator in body || Symbol.iterator in body
}

/**
 * The recorder of a body that is read only once; undefined for a body that undici may read itself.
 * @param limit bytes that are kept for another attempt; undefined: no attempt follows
 * @param always also for streams that undici could read itself
 */
export function recorded(body: unknown, limit: number | undefined, always = false): RecordedBody | undefined {
  if (!isOneShot(body)) return undefined
  // undici reads a stream's length, and `brokeOff` knows a stream's own error.
  if (limit === undefined && 'errored' in body && !always) return undefined
  return new RecordedBody(body, limit ?? 0)
}

/** Whether an error is the body's own: its stream failed, or the file of its blob has changed. */
export function brokeOff(body: unknown, error: Error): boolean {
  return (
    (body as { errored?: unknown } | null | undefined)?.errored === error || error.name === 'NotReadableError'
  )
}

/** A blob that each attempt reads anew, in chunks: undici itself would read it into memory as a whole. */
export class BlobBody implements AsyncIterable<Uint8Array> {
  readonly #blob: Blob

  constructor(blob: Blob) {
    this.#blob = blob
  }

  stream(): ReadableStream<Uint8Array> {
    return this.#blob.stream()
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.stream()[Symbol.asyncIterator]()
  }
}

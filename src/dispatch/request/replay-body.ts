/**
 * Request bodies that can be sent again.
 *
 * Strings, buffers, blobs and forms are read anew by each attempt. A stream or an iterable can be read once
 * (`fetch` hands over all its bodies as one): what it yields is kept while it is sent, up to a limit, so that a
 * later attempt sends the same bytes; beyond the limit there is no later attempt. Never an empty or a partial
 * body.
 */
import { PassThrough, type Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import { headerList, headerValue, withHeader } from './headers.ts'

/** Streams from before there were iterators, such as npm's `form-data`. */
interface OldStream {
  pipe: (target: PassThrough) => unknown
  on: (event: string, listener: (error: Error) => void) => unknown
}

type Chunk = string | Uint8Array

/** Whether a body can be read but once. */
export function isOneShot(body: unknown): body is AsyncIterable<Chunk> | Iterable<Chunk> {
  if (typeof body !== 'object' || body === null) return false
  if (ArrayBuffer.isView(body) || body instanceof ArrayBuffer) return false
  // Blob, File and FormData: undici asks them for a new stream at each attempt.
  if (typeof (body as Blob).stream === 'function' || body[Symbol.toStringTag as never] === 'FormData')
    return false
  return Symbol.asyncIterator in body || Symbol.iterator in body
}

/**
 * The same request in a form that can be sent more than once, or at all: headers as a list, a stream from before there
 * were iterators as one that has one, and `URLSearchParams`, which undici's own `request` does not take, as a string. An
 * object of its own: callers may reuse theirs as soon as the call has begun.
 */
export function sendable(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
  const own = { ...options, headers: headerList(options.headers) } as Dispatcher.DispatchOptions
  const { body } = own as { body?: unknown }
  if (typeof body !== 'object' || body === null) return own
  if (body instanceof URLSearchParams) {
    own.body = body.toString()
    own.headers = withFormType(own.headers) as never
  } else if (isOldStream(body)) {
    own.body = piped(body)
  }
  return own
}

/** Piping is what sets such streams going; `Readable.wrap` would wait for them. */
function piped(body: OldStream): Readable {
  const stream = new PassThrough()
  body.on('error', (error) => stream.destroy(error))
  body.pipe(stream)
  return stream
}

function isOldStream(body: object): body is OldStream {
  if (Symbol.asyncIterator in body) return false
  return typeof (body as OldStream).pipe === 'function' && typeof (body as OldStream).on === 'function'
}

const FORM_TYPE = 'application/x-www-form-urlencoded;charset=UTF-8'

function withFormType(headers: unknown): unknown {
  return headerValue(headers, 'content-type') === undefined
    ? withHeader(headers, 'content-type', FORM_TYPE)
    : headers
}

/**
 * What stands between a body and the attempts that read it; undefined for one that undici may read itself.
 * @param limit bytes that are kept for another attempt; undefined: there is never another
 * @param always also for streams that undici could read itself
 */
export function recorded(body: unknown, limit: number | undefined, always = false): RecordedBody | undefined {
  if (!isOneShot(body)) return undefined
  // undici asks a stream for its length; and what a stream failed with, `brokeOff` can tell.
  if (limit === undefined && 'errored' in body && !always) return undefined
  return new RecordedBody(body, limit ?? 0)
}

/** Whether an error is the body's own: what its stream failed with, or a blob whose file is another than it was. */
export function brokeOff(body: unknown, error: Error): boolean {
  return (
    (body as { errored?: unknown } | null | undefined)?.errored === error || error.name === 'NotReadableError'
  )
}

/** A blob that is read anew by each attempt, piece by piece: undici itself takes it into memory as a whole. */
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

/** What reads a body for one attempt. */
export interface BodyReader {
  /** Whether what is thrown while reading may end its request; if not, reading stops for good. */
  mayThrow(): boolean
  /** The body itself failed, where that may not be thrown. */
  failed(error: Error): void
}

/** A one-shot body, recorded while it is read. One attempt reads at a time: the one that asked last. */
export class RecordedBody {
  readonly #body: AsyncIterable<Chunk> | Iterable<Chunk>
  readonly #limit: number
  #source: AsyncIterator<Chunk> | undefined
  /** What was read and may be wanted again: the chunks from number `#dropped` on. */
  #chunks: Chunk[] = []
  #dropped = 0
  #bytes = 0
  #ended = false
  #pull: Promise<void> | undefined
  #readers = 0
  #isDelivered = false
  /** What the body itself failed with: the caller's fault, not the upstream's. */
  error: Error | undefined

  constructor(body: AsyncIterable<Chunk> | Iterable<Chunk>, limit: number) {
    this.#body = body
    this.#limit = limit
    // A stream may fail before anybody reads it, and an 'error' without a listener ends the process.
    const { on } = body as unknown as OldStream
    if (typeof on === 'function') on.call(body, 'error', (error) => (this.error ??= error))
  }

  /** Whether another attempt would send the same bytes. */
  get replayable(): boolean {
    return this.#bytes <= this.#limit && this.error === undefined
  }

  /** Whether whoever reads it has read it to its end, and another could from its beginning. */
  get isDelivered(): boolean {
    return this.#isDelivered && this.replayable
  }

  /** The body from its first byte, for one more attempt; an earlier attempt's reader fails from now on. */
  read(attempt?: BodyReader): AsyncIterable<Chunk> {
    const reader = ++this.#readers
    this.#isDelivered = false
    let position = 0
    const next = async (): Promise<IteratorResult<Chunk>> => {
      for (;;) {
        // Not `done`: that would end the body of an attempt that may still be on the wire, and cut it short.
        if (reader !== this.#readers) return stop(attempt, new Error('another attempt reads the body'))
        // Never a part of a body: its beginning is gone.
        if (position < this.#dropped) return stop(attempt, new Error('the body was too long to be kept'))
        const chunk = this.#chunks[position - this.#dropped]
        if (chunk !== undefined) {
          position++
          if (!this.replayable) this.#dropBefore(position)
          return { done: false, value: chunk }
        }
        if (this.error !== undefined) {
          if (attempt?.mayThrow() === false) attempt.failed(this.error)
          return stop(attempt, this.error)
        }
        if (this.#ended) {
          this.#isDelivered = true
          return { done: true, value: undefined }
        }
        await this.#pullOnce()
      }
    }
    return {
      [Symbol.asyncIterator]: () => ({
        next,
        // An attempt stops reading; the body stays for the next one, and `close` ends it.
        return: () => Promise.resolve({ done: true, value: undefined }),
      }),
    }
  }

  /** The attempt that read has failed. Nothing is read until the next one does, or what is kept might outgrow its limit. */
  rest(): void {
    this.#readers++
  }

  /** The call is over: lets go of what was recorded, and tells a source that was not read to its end. */
  close(): void {
    this.#readers++
    this.#chunks = []
    if (this.#ended) return
    this.#ended = true
    const { destroy } = this.#body as unknown as { destroy?: () => void }
    if (typeof destroy === 'function') destroy.call(this.#body)
    else void this.#returnSource().catch(() => undefined)
  }

  /** The caller's code, which may throw: nobody is left to be told. */
  async #returnSource(): Promise<void> {
    const web = this.#body as unknown as Partial<ReadableStream>
    // A web stream that nobody has read waits to be told.
    if (this.#source === undefined && typeof web.cancel === 'function') await web.cancel()
    else await this.#source?.return?.()
  }

  #dropBefore(position: number): void {
    this.#chunks.splice(0, position - this.#dropped)
    this.#dropped = position
  }

  /** Reads one chunk of the source, once for all who wait for it. */
  #pullOnce(): Promise<void> {
    this.#pull ??= this.#read().finally(() => {
      this.#pull = undefined
    })
    return this.#pull
  }

  async #read(): Promise<void> {
    try {
      this.#source ??= iteratorOf(this.#body)
      const result = await this.#source.next()
      if (result.done === true) {
        this.#ended = true
        return
      }
      this.#take(result.value)
    } catch (error) {
      this.#ended = true
      this.error ??= error instanceof Error ? error : new Error(String(error))
    }
  }

  /** As `for await` has it: an iterator that fails is over, one whose piece is no use is told to stop. */
  #take(chunk: Chunk): void {
    try {
      checkChunk(chunk)
    } catch (error) {
      void this.#returnSource().catch(() => undefined)
      throw error
    }
    this.#bytes += Buffer.byteLength(chunk)
    this.#chunks.push(this.replayable ? copyOf(chunk) : chunk)
  }
}

/** @throws TypeError for what undici would not send, with what it would say of it */
function checkChunk(chunk: unknown): void {
  if (typeof chunk === 'string' || ArrayBuffer.isView(chunk)) return
  Buffer.byteLength(chunk as string)
  // It has a length, and yet no socket takes it: an ArrayBuffer.
  new PassThrough().write(chunk)
}

function stop(attempt: BodyReader | undefined, error: Error): Promise<never> {
  if (attempt?.mayThrow() === false) return new Promise(() => undefined)
  return Promise.reject(error)
}

/** Its producer may fill the same buffer anew for the next chunk. */
function copyOf(chunk: Chunk): Chunk {
  return ArrayBuffer.isView(chunk)
    ? Buffer.from(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    : chunk
}

function iteratorOf(body: AsyncIterable<Chunk> | Iterable<Chunk>): AsyncIterator<Chunk> {
  return Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : awaited(body)
}

/** Pieces of an iterable that is not async may be promises. */
async function* awaited(body: Iterable<Chunk>): AsyncGenerator<Chunk> {
  yield* body
}

import { AsyncLocalStorage } from 'node:async_hooks'
import { PassThrough } from 'node:stream'
import { asError } from '../../core/errors.ts'

/** As undici takes it. */
export type Chunk = string | Uint8Array

/** The attempt that reads a body. */
export interface BodyReader {
  /** Whether reading may throw, which ends the request. If not, reading stops for good. */
  mayThrow(): boolean
  /** The body itself failed, where reading may not throw. */
  failed(error: Error): void
}

/** A body that is read only once, recorded while it is read. One attempt reads at a time: the last one that asked. */
export class RecordedBody {
  readonly #body: AsyncIterable<Chunk> | Iterable<Chunk>
  readonly #limit: number
  /**
   * The body is the caller's code, and runs in its async context: an attempt may read it in that of another call, whose
   * end made room for it on a connection.
   */
  readonly #inContext = AsyncLocalStorage.snapshot()
  #source: AsyncIterator<Chunk> | undefined
  /** Chunks that were read and may be needed again, from number `#dropped` on. */
  #chunks: Chunk[] = []
  #dropped = 0
  #bytes = 0
  #ended = false
  #pull: Promise<void> | undefined
  #readers = 0
  #isDelivered = false
  /** The body's own error: the caller's fault, not the upstream's. */
  error: Error | undefined

  constructor(body: AsyncIterable<Chunk> | Iterable<Chunk>, limit: number) {
    this.#body = body
    this.#limit = limit
    // A stream may fail before it is read, and an 'error' without a listener ends the process.
    const { on } = body as unknown as Partial<Pick<NodeJS.ReadableStream, 'on'>>
    if (typeof on === 'function') on.call(body, 'error', (error) => (this.error ??= error))
  }

  /** Whether another attempt would send the same bytes. */
  get replayable(): boolean {
    return this.#bytes <= this.#limit && this.error === undefined
  }

  /** Whether its reader has read it to the end, and another attempt could read it from the beginning. */
  get isDelivered(): boolean {
    return this.#isDelivered && this.replayable
  }

  /** The body from its first byte, for one more attempt. Earlier readers fail from now on. */
  read(attempt?: BodyReader): AsyncIterable<Chunk> {
    const reader = ++this.#readers
    this.#isDelivered = false
    let position = 0
    const next = async (): Promise<IteratorResult<Chunk>> => {
      for (;;) {
        // Not `done`: that would end, and truncate, the body of an attempt that may still be on the wire.
        if (reader !== this.#readers) return stop(attempt, new Error('another attempt reads the body'))
        // Its beginning is gone, and a partial body is never sent.
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
        // An attempt stops reading. The body stays for the next one, until `close`.
        return: () => Promise.resolve({ done: true, value: undefined }),
      }),
    }
  }

  /** The attempt that read it failed. Nothing is read until the next one asks, so that the limit holds. */
  rest(): void {
    this.#readers++
  }

  /** The call is over: frees the chunks, and closes a source that was not read to its end. */
  close(): void {
    this.#readers++
    this.#chunks = []
    if (this.#ended) return
    this.#ended = true
    const { destroy } = this.#body as unknown as { destroy?: () => void }
    if (typeof destroy === 'function') this.#inContext(() => destroy.call(this.#body))
    else void this.#inContext(() => this.#returnSource()).catch(() => undefined)
  }

  /** Runs the caller's code, which may throw after the call is over. */
  async #returnSource(): Promise<void> {
    const web = this.#body as unknown as Partial<ReadableStream>
    // A web stream that was never read has to be cancelled.
    if (this.#source === undefined && typeof web.cancel === 'function') await web.cancel()
    else await this.#source?.return?.()
  }

  #dropBefore(position: number): void {
    this.#chunks.splice(0, position - this.#dropped)
    this.#dropped = position
  }

  /** Reads one chunk of the source, once for all readers that wait for it. */
  #pullOnce(): Promise<void> {
    this.#pull ??= this.#inContext(() => this.#read()).finally(() => {
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
      this.error ??= asError(error)
    }
  }

  /** Like `for await`: an iterator that throws is over; one with an invalid chunk has its `return` called. */
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

/** @throws TypeError for a chunk that undici would refuse, with its message */
function checkChunk(chunk: unknown): void {
  if (typeof chunk === 'string' || ArrayBuffer.isView(chunk)) return
  Buffer.byteLength(chunk as string)
  // An ArrayBuffer has a length, but no socket takes it.
  new PassThrough().write(chunk)
}

function stop(attempt: BodyReader | undefined, error: Error): Promise<never> {
  if (attempt?.mayThrow() === false) return new Promise(() => undefined)
  return Promise.reject(error)
}

/** The producer may reuse the buffer for its next chunk. */
function copyOf(chunk: Chunk): Chunk {
  return ArrayBuffer.isView(chunk)
    ? Buffer.from(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength))
    : chunk
}

function iteratorOf(body: AsyncIterable<Chunk> | Iterable<Chunk>): AsyncIterator<Chunk> {
  return Symbol.asyncIterator in body ? body[Symbol.asyncIterator]() : awaited(body)
}

/** Chunks of a sync iterable may be promises. */
async function* awaited(body: Iterable<Chunk>): AsyncGenerator<Chunk> {
  yield* body
}

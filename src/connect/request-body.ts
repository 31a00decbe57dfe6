/** The body of a call, which Connect passes as an iterable, whether it is one message or a stream. */
import { systemClock } from '../core/clock.ts'

/**
 * A body that is there: sent in one piece with its length, and again whatever its length. Or one that is being made, sent as
 * it comes.
 */
export type RequestBody =
  | { readonly kind: 'whole'; readonly bytes: Uint8Array | null }
  | { readonly kind: 'stream'; readonly chunks: AsyncIterable<Uint8Array> }

/**
 * Reads what is there at once, which is all of it for a single message.
 * @param isStream true: nothing is read in advance; false: the end is waited for, as for a message that is being
 *   compressed; undefined: unknown, and what is not there in this turn of the event loop is a stream
 * @throws what the iterable throws
 */
export async function requestBody(
  body: AsyncIterable<Uint8Array> | undefined,
  isStream: boolean | undefined,
): Promise<RequestBody> {
  if (body === undefined) return { kind: 'whole', bytes: null }
  if (isStream === true) return { kind: 'stream', chunks: body }
  const iterator = body[Symbol.asyncIterator]()
  const chunks: Uint8Array[] = []
  const turn = Promise.withResolvers<undefined>()
  if (isStream === undefined) systemClock.afterIo(() => turn.resolve(undefined))
  for (;;) {
    const next = iterator.next()
    const result = await Promise.race([next, turn.promise])
    if (result === undefined) return { kind: 'stream', chunks: resumed(chunks, next, iterator) }
    if (result.done === true) return { kind: 'whole', bytes: joined(chunks) }
    chunks.push(result.value)
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks)
}

/** What was read already, then the rest. */
async function* resumed(
  chunks: readonly Uint8Array[],
  next: Promise<IteratorResult<Uint8Array>>,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks
    for (let result = await next; result.done !== true; result = await iterator.next()) yield result.value
  } finally {
    // The call ended before its body did.
    await iterator.return?.()
  }
}

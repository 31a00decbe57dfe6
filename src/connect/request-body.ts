/** The body of a call, which Connect passes as an iterable, whether it is one message or a stream. */

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
  const turn = isStream === undefined ? thisTurn() : undefined
  try {
    for (;;) {
      const next = iterator.next()
      const result = await (turn === undefined ? next : Promise.race([next, turn.over]))
      if (result === undefined) return { kind: 'stream', chunks: resumed(chunks, next, iterator) }
      if (result.done === true) return { kind: 'whole', bytes: joined(chunks) }
      chunks.push(result.value)
    }
  } finally {
    turn?.cancel()
  }
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  const [first] = chunks
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks)
}

/** Fulfils when the event loop turns. */
function thisTurn(): { readonly over: Promise<undefined>; cancel(): void } {
  const { promise, resolve } = Promise.withResolvers<undefined>()
  const immediate = setImmediate(resolve, undefined)
  return { over: promise, cancel: () => clearImmediate(immediate) }
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

import { describe, expect, test } from 'vitest'
import { deadlineMsOf } from '../../../src/connect/deadline.ts'
import { requestBody } from '../../../src/connect/request-body.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)

async function* now(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield bytes(text)
}

async function* later(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) {
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    yield bytes(text)
  }
}

async function textOf(body: Awaited<ReturnType<typeof requestBody>>): Promise<string | null> {
  if (body.kind === 'whole') return body.bytes === null ? null : Buffer.from(body.bytes).toString()
  let text = ''
  for await (const chunk of body.chunks) text += Buffer.from(chunk).toString()
  return text
}

describe('the body of a call', () => {
  test.each<[string, AsyncIterable<Uint8Array> | undefined, boolean | undefined, string, string | null]>([
    ['none', undefined, undefined, 'whole', null],
    ['a message', now('one'), undefined, 'whole', 'one'],
    ['a message in parts', now('one', 'two'), undefined, 'whole', 'onetwo'],
    ['an empty one', now(), undefined, 'whole', ''],
    ['a message that is being made', later('one', 'two'), undefined, 'stream', 'onetwo'],
    ['the same, of a unary call', later('one', 'two'), false, 'whole', 'onetwo'],
    ['a stream', now('one', 'two'), true, 'stream', 'onetwo'],
  ])('%s', async (_what, iterable, isStream, kind, text) => {
    const body = await requestBody(iterable, isStream)
    expect(body.kind).toBe(kind)
    expect(await textOf(body)).toBe(text)
  })

  test('what was read in advance is not lost', async () => {
    async function* mixed(): AsyncGenerator<Uint8Array> {
      yield* now('a', 'b')
      yield* later('c')
    }
    const body = await requestBody(mixed(), undefined)
    expect([body.kind, await textOf(body)]).toEqual(['stream', 'abc'])
  })

  test('a stream that the call leaves is closed', async () => {
    let isClosed = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        for (;;) yield* later('x')
      } finally {
        isClosed = true
      }
    }
    const body = await requestBody(endless(), undefined)
    if (body.kind !== 'stream') throw new Error('it is a stream')
    for await (const chunk of body.chunks) if (chunk.length > 0) break
    expect(isClosed).toBe(true)
  })

  test('what it throws is thrown', async () => {
    const error = new Error('cannot be serialized')
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes('x')
      throw error
    }
    await expect(requestBody(broken(), undefined)).rejects.toBe(error)
  })
})

test.each<[Record<string, string>, number | undefined]>([
  [{}, undefined],
  [{ 'grpc-timeout': '250m' }, 250],
  [{ 'grpc-timeout': '2S' }, 2_000],
  [{ 'grpc-timeout': '3M' }, 180_000],
  [{ 'grpc-timeout': '1H' }, 3_600_000],
  [{ 'grpc-timeout': '1500u' }, 2],
  [{ 'grpc-timeout': '1n' }, 1],
  [{ 'grpc-timeout': '99999999H' }, undefined],
  [{ 'grpc-timeout': '100' }, undefined],
  [{ 'grpc-timeout': '123456789m' }, undefined],
  [{ 'connect-timeout-ms': '80' }, 80],
  [{ 'connect-timeout-ms': '0' }, 1],
  [{ 'connect-timeout-ms': 'soon' }, undefined],
])('the deadline of %j is %s ms', (headers, ms) => {
  expect(deadlineMsOf(new Headers(headers))).toBe(ms)
})

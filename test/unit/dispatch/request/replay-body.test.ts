import fc from 'fast-check'
import { Readable } from 'node:stream'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { RecordedBody } from '../../../../src/dispatch/request/recorded-body.ts'
import { isOneShot } from '../../../../src/dispatch/request/replay-body.ts'

async function* chunks(...parts: string[]): AsyncGenerator<string> {
  yield* parts
}

async function readAll(body: AsyncIterable<string | Uint8Array>): Promise<string> {
  let text = ''
  for await (const chunk of body) text += chunk.toString()
  return text
}

describe('a recorded body', () => {
  test('reads the same a second time', async () => {
    const body = new RecordedBody(chunks('one ', 'two ', 'three'), 100)
    expect(await readAll(body.read())).toBe('one two three')
    expect(body.replayable).toBe(true)
    expect(await readAll(body.read())).toBe('one two three')
  })

  test('goes on where the first reader stopped', async () => {
    const body = new RecordedBody(chunks('one ', 'two ', 'three'), 100)
    const first = body.read()[Symbol.asyncIterator]()
    await first.next()
    await first.return?.()
    expect(await readAll(body.read())).toBe('one two three')
  })

  test('beyond its limit it is read once, and not again', async () => {
    const body = new RecordedBody(chunks('12345', '67890', 'abc'), 8)
    expect(await readAll(body.read())).toBe('1234567890abc')
    expect(body.replayable).toBe(false)
    await expect(readAll(body.read())).rejects.toThrow('too long to be kept')
  })

  test('a reader whose place was taken fails, and does not end as if the body were complete', async () => {
    const body = new RecordedBody(chunks('one ', 'two '), 100)
    const first = body.read()[Symbol.asyncIterator]()
    await first.next()
    body.read()
    await expect(first.next()).rejects.toThrow('another attempt')
  })

  test('a chunk that the first reader was still waiting for is not lost to the second', async () => {
    const gate = Promise.withResolvers<void>()
    const body = new RecordedBody(
      (async function* () {
        yield 'one '
        await gate.promise
        yield 'two'
      })(),
      5,
    )
    const first = body.read()[Symbol.asyncIterator]()
    const waiting = first.next().then(() => first.next())
    waiting.catch(() => undefined)
    await new Promise((resolve) => setImmediate(resolve))
    // The body is within its limit as yet, and outgrows it with the very chunk that both wait for.
    const second = readAll(body.read())
    gate.resolve()
    expect(await second).toBe('one two')
    await expect(waiting).rejects.toThrow('another attempt')
  })

  test("reports the body's own error", async () => {
    const source = Readable.from(
      (async function* () {
        yield 'one'
        throw new Error('disk')
      })(),
    )
    const body = new RecordedBody(source, 100)
    await expect(readAll(body.read())).rejects.toThrow('disk')
    expect(body.error?.message).toBe('disk')
    expect(body.replayable).toBe(false)
  })

  test('reports an error of another realm as it is, and what is no error as the cause of one', async () => {
    const foreign = runInNewContext("Object.assign(new TypeError('foreign'), { code: 'ENOENT' })") as Error
    for (const thrown of [foreign, 'text', undefined, Object.create(null) as unknown]) {
      // oxlint-disable-next-line require-yield -- it fails before its first chunk
      const failing = async function* (): AsyncGenerator<string> {
        throw thrown
      }
      const body = new RecordedBody(failing(), 100)
      await expect(readAll(body.read())).rejects.toThrow()
      if (thrown === foreign) expect(body.error).toBe(foreign)
      else expect(body.error?.cause).toBe(thrown)
    }
  })

  test('a stream that fails before it is read does not end the process', async () => {
    const source = new Readable({ read() {} })
    const body = new RecordedBody(source, 100)
    source.destroy(new Error('early'))
    await new Promise((resolve) => setImmediate(resolve))
    await expect(readAll(body.read())).rejects.toThrow('early')
  })

  test('close destroys a stream, and returns an iterator, that was not read to its end', async () => {
    const stream = new Readable({ read() {} })
    new RecordedBody(stream, 100).close()
    expect(stream.destroyed).toBe(true)

    let returned = false
    const generator = (async function* () {
      try {
        yield 'one'
        yield 'two'
      } finally {
        returned = true
      }
    })()
    const body = new RecordedBody(generator, 100)
    await body.read()[Symbol.asyncIterator]().next()
    body.close()
    await new Promise((resolve) => setImmediate(resolve))
    expect(returned).toBe(true)
  })

  test('whatever the chunks and wherever a reader stops, a replayable body reads the same again', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 20 }), { maxLength: 20 }),
        fc.integer({ min: 0, max: 200 }),
        fc.array(fc.nat({ max: 20 }), { maxLength: 4 }),
        async (parts, limit, stops) => {
          const whole = parts.join('')
          const body = new RecordedBody(Readable.from(parts.map((part) => Buffer.from(part))), limit)
          for (const stop of stops) {
            const reader = body.read()[Symbol.asyncIterator]()
            for (let i = 0; i < stop; i++) if ((await reader.next()).done === true) break
            if (!body.replayable) return
          }
          expect(await readAll(body.read())).toBe(whole)
        },
      ),
    )
  })
})

test('one-shot bodies are streams and iterables, not what can be read anew', () => {
  expect(isOneShot(Readable.from(['a']))).toBe(true)
  expect(isOneShot(chunks('a'))).toBe(true)
  expect(isOneShot(new Blob(['a']).stream())).toBe(true)
  for (const body of [
    'a',
    Buffer.from('a'),
    new Uint8Array(1),
    new ArrayBuffer(1),
    new Blob(['a']),
    null,
    undefined,
  ]) {
    expect(isOneShot(body)).toBe(false)
  }
})

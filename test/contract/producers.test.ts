/** Request bodies that are still being made: slowly, badly, for ever. */
import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import type { ClientOptions } from 'onehop'
import { describe, expect, test } from 'vitest'
import { TRANSPORTS } from '../support/transports/transports.ts'
import { echo } from './support/echo.ts'
import { failures, pair as pairOver, type Pair } from './support/replay-tasks.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function textOf({ client, origin }: Pair, body: unknown, init: object = {}): Promise<string> {
  const response = await client.request(origin, { method: 'PUT', body: body as never, ...init })
  const text = await response.body.text()
  return `${response.statusCode} ${text}`
}

/** What a call fails with. */
function failureOf(call: Promise<unknown>): Promise<unknown> {
  return call.then(
    (answer) => answer,
    (error: unknown) => error,
  )
}

function expectNobodyBlamed({ client, origin }: Pair): void {
  const upstreams = client.inspect().services['orders.shop.local']?.origins[origin]?.upstreams ?? []
  expect(upstreams).toHaveLength(2)
  for (const upstream of upstreams)
    expect(upstream).toMatchObject({ state: 'available', failures: 0, pending: 0 })
  expect(client.inspect().callsUnderWay).toBe(0)
}

/** A 503 to whoever has sent something, after which the task goes on reading, and says no more. */
const lingering: RequestListener = (request, response) => {
  request.on('error', () => undefined)
  request.once('data', () => {
    response.writeHead(503)
    response.write('this service is')
  })
}

describe.each(Object.values(TRANSPORTS))('over $name', (transport) => {
  const pair = (fail: RequestListener, options: ClientOptions = {}): Promise<Pair> =>
    pairOver(fail, options, transport)

  describe('a body that is still being made when its first task fails', () => {
    const kinds: Record<string, (source: AsyncGenerator<string>) => unknown> = {
      'a generator': (source) => source,
      'a Readable': (source) => Readable.from(source),
      'a web stream': (source) => ReadableStream.from(source),
    }
    for (const [kind, make] of Object.entries(kinds)) {
      for (const [failure, fail] of Object.entries({ ...failures, 'a 503 that goes on': lingering })) {
        // These tasks wait for the end of the body before they fail.
        if (failure.includes('all of it')) continue
        test(`${kind}, ${failure}: the next task gets all of it, and each piece is made once`, async () => {
          await using tasks = await pair(fail)
          const made: string[] = []
          const source = (async function* () {
            for (let piece = 0; piece < 5; piece++) {
              if (piece === 3) await expect.poll(() => tasks.second.connections.length).toBe(1)
              made.push(`piece ${piece}.`)
              yield `piece ${piece}.`
            }
          })()
          const whole = 'piece 0.piece 1.piece 2.piece 3.piece 4.'
          expect(await textOf(tasks, make(source))).toBe(`200 ${whole}`)
          expect(made.join('')).toBe(whole)
          // The one that failed never took it for whole.
          expect(tasks.first.take()[0]).not.toContain('\r\n0\r\n\r\n')
        })
      }
    }

    test('is not read on by the attempt that failed while the call waits for the next', async () => {
      let requests = 0
      const random = { next: () => 0.999 }
      await using tasks = await pair(
        (request, response) => (requests++ === 0 ? lingering : echo)(request, response),
        { random, retry: { baseMs: 300, maxDelayMs: 300 }, allowLoopback: true },
      )
      // One task only: the second attempt goes to it again, and not at once.
      tasks.client.resolver.answer([tasks.first.label])
      const piece = 'x'.repeat(8_000)
      const source = (async function* () {
        for (let i = 0; i < 30; i++) {
          await turn()
          yield piece
        }
      })()
      expect(await textOf(tasks, source)).toBe(`200 ${piece.repeat(30)}`)
    })

    test('may be made in one buffer, filled anew for each piece', async () => {
      await using tasks = await pair(failures['a 503 when all of it was read'] ?? echo)
      const source = (async function* () {
        const buffer = Buffer.alloc(4)
        for (const piece of ['one.', 'two.', 'six.']) {
          buffer.write(piece)
          yield buffer
          // As one does who waits until a piece was taken.
          await new Promise((resolve) => setTimeout(resolve, 10))
        }
      })()
      expect(await textOf(tasks, source)).toBe('200 one.two.six.')
      expect(tasks.first.take()[0]).toContain('one.')
    })
  })

  describe('a body that fails midway', () => {
    const broken = new RangeError('the disk is gone')
    async function* breaking(until: Promise<void> = Promise.resolve()): AsyncGenerator<string> {
      yield 'one'
      await until
      throw broken
    }
    const kinds: Record<string, (until?: Promise<void>) => unknown> = {
      'a generator': breaking,
      'a Readable': (until) => Readable.from(breaking(until)),
      'a web stream': (until) => ReadableStream.from(breaking(until)),
    }
    for (const [kind, make] of Object.entries(kinds)) {
      for (const retry of [{}, false as const]) {
        test(`that is closed before its end blames no task (${kind}, retries ${retry === false ? 'off' : 'on'})`, async () => {
          await using tasks = await pair(echo, { retry })
          const source = new Readable({ read() {} })
          source.push('one')
          const body =
            kind === 'a Readable'
              ? source
              : kind === 'a web stream'
                ? Readable.toWeb(source)
                : source.iterator()
          const call = failureOf(textOf(tasks, body))
          await expect.poll(() => tasks.first.connections.join('')).toContain('one')
          source.destroy()
          expect(await call).toBeInstanceOf(Error)
          expectNobodyBlamed(tasks)
          expect(tasks.second.take()).toEqual([])
        })

        test(`fails the call with what it failed with, and no task (${kind}, retries ${retry === false ? 'off' : 'on'})`, async () => {
          await using tasks = await pair(echo, { retry })
          expect(await failureOf(textOf(tasks, make()))).toBe(broken)
          expectNobodyBlamed(tasks)
          expect(tasks.second.take()).toEqual([])
          await turn()
          expect(tasks.first.take().join('')).not.toContain('\r\n0\r\n\r\n')
        })
      }

      test(`and in the second attempt likewise (${kind})`, async () => {
        const arrived = Promise.withResolvers<void>()
        await using tasks = await pair(failures['a 503 when nothing was read'] ?? echo)
        const call = failureOf(textOf(tasks, make(arrived.promise)))
        await expect.poll(() => tasks.second.connections.join('')).toContain('one')
        arrived.resolve()
        expect(await call).toBe(broken)
        expect(tasks.second.take().join('')).not.toContain('\r\n0\r\n\r\n')
      })
    }

    for (const [what, piece] of [
      ['a number', 5],
      ['an object', {}],
      ['null', null],
      ['undefined', undefined],
    ] as const) {
      for (const retry of [{}, false as const]) {
        test(`by ${what} for a piece blames no task (retries ${retry === false ? 'off' : 'on'})`, async () => {
          await using tasks = await pair(echo, { retry })
          const body = (async function* () {
            yield 'one'
            yield piece
          })()
          expect(await failureOf(textOf(tasks, body))).toBeInstanceOf(TypeError)
          expectNobodyBlamed(tasks)
          expect(tasks.second.take()).toEqual([])
        })
      }
    }
  })

  describe('a body without an end', () => {
    /** Yields for ever, and counts how often it was told to stop. */
    class Endless {
      pulls = 0
      stops = 0;
      [Symbol.asyncIterator](): AsyncIterator<string> {
        return {
          next: async () => {
            await turn()
            this.pulls++
            return { done: false, value: 'x' }
          },
          return: () => {
            this.stops++
            return Promise.resolve({ done: true, value: undefined })
          },
        }
      }
    }
    const phases: Record<string, RequestListener> = {
      'while it is sent': (request) => void request.resume(),
      'while the response comes in': (request, response) => {
        request.resume()
        response.writeHead(200, { 'content-length': 9 }).write('some')
      },
    }
    for (const [when, answer] of Object.entries(phases)) {
      for (const retry of [{}, false as const]) {
        const on = retry === false ? 'off' : 'on'
        test(`is stopped once by an abort ${when} (retries ${on})`, async () => {
          await using tasks = await pair(answer, { retry })
          const source = new Endless()
          const abort = new AbortController()
          const call = failureOf(textOf(tasks, source, { signal: abort.signal }))
          await expect.poll(() => source.pulls).toBeGreaterThan(10)
          abort.abort(new RangeError('left'))
          expect(await call).toMatchObject({ message: 'left' })
          await expect.poll(() => source.stops).toBe(1)
          const { pulls } = source
          for (let i = 0; i < 10; i++) await turn()
          expect([source.stops, source.pulls - pulls <= 1]).toEqual([1, true])
        })

        test(`of a Readable is destroyed once by an abort ${when} (retries ${on})`, async () => {
          await using tasks = await pair(answer, { retry })
          let destroyed = 0
          const source = new Readable({
            read() {
              setImmediate(() => this.push('x'))
            },
            destroy(_error, done) {
              destroyed++
              done(null)
            },
          })
          const abort = new AbortController()
          const call = failureOf(textOf(tasks, source, { signal: abort.signal }))
          await expect.poll(() => tasks.first.connections.flat().length).toBeGreaterThan(1)
          abort.abort(new RangeError('left'))
          expect(await call).toMatchObject({ message: 'left' })
          await expect.poll(() => destroyed).toBe(1)
        })

        test(`of a web stream is cancelled once by an abort ${when} (retries ${on})`, async () => {
          await using tasks = await pair(answer, { retry })
          let cancelled = 0
          const source = new ReadableStream<Uint8Array>({
            async pull(controller) {
              await turn()
              controller.enqueue(Buffer.from('x'))
            },
            cancel: () => void cancelled++,
          })
          const abort = new AbortController()
          const call = failureOf(textOf(tasks, source, { signal: abort.signal }))
          await expect.poll(() => tasks.first.connections.flat().length).toBeGreaterThan(1)
          abort.abort(new RangeError('left'))
          expect(await call).toMatchObject({ message: 'left' })
          await expect.poll(() => cancelled).toBe(1)
        })
      }
    }

    test('is stopped when the answer comes before its end', async () => {
      await using tasks = await pair((request, response) => {
        request.resume()
        response.end('enough')
      })
      const source = new Endless()
      expect(await textOf(tasks, source)).toBe('200 enough')
      await expect.poll(() => source.stops).toBe(1)
    })

    test('is stopped, or was not begun, when there is no task to send it to', async () => {
      await using tasks = await pair(echo)
      tasks.client.resolver.answer([])
      let cancelled = 0
      const web = new ReadableStream<Uint8Array>({ cancel: () => void cancelled++ }, { highWaterMark: 0 })
      expect(await failureOf(textOf(tasks, web))).toMatchObject({ code: 'ONEHOP_NO_ENDPOINTS' })
      const stream = new Readable({ read() {} })
      expect(await failureOf(textOf(tasks, stream))).toMatchObject({ code: 'ONEHOP_NO_ENDPOINTS' })
      const source = new Endless()
      expect(await failureOf(textOf(tasks, source))).toMatchObject({ code: 'ONEHOP_NO_ENDPOINTS' })
      await turn()
      expect([cancelled, stream.destroyed, source.pulls]).toEqual([1, true, 0])
    })
  })
})

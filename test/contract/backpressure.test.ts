/** 16 MiB each way, to readers that stand still for a while: what is on its way stays bounded, and arrives whole. */
import { createHash } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Dispatcher } from 'undici'
import { describe, expect, test } from 'vitest'
import { clientOf, originOver } from '../support/clients.ts'
import { TRANSPORTS, type Transport } from '../support/transports/transports.ts'
import { PATIENT, waysTo, type Way } from './support/ways.ts'
import { WireServer } from './support/wire-server.ts'

const PIECE = 64 * 1024
const PIECES = 256
/** Two sockets' buffers in the kernel, of some 4 MiB each by Linux' defaults, and two of Node's. */
const ON_THE_WAY = 10 * 1024 * 1024

function* pieces(onPiece: () => void = () => undefined): Generator<Buffer> {
  for (let number = 0; number < PIECES; number++) {
    onPiece()
    yield Buffer.alloc(PIECE, `piece ${number}.`)
  }
}

async function hashOf(body: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of body) hash.update(chunk)
  return hash.digest('hex')
}

/** Waits until a count has begun and stands still: nothing has moved in 30 looks at it. */
async function standstill(count: () => number): Promise<number> {
  let last = -1
  for (let same = 0; same < 30; same++) {
    if (last <= 0 || count() !== last) same = 0
    last = count()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return last
}

/** The ways of the contract, and this library with retries, which keeps what it has sent. */
function everyWayTo(server: WireServer): Way[] {
  const { label, transport } = server
  const pool = transport.pool === undefined ? {} : { pool: transport.pool }
  const { dispatcher } = clientOf([label], { timeouts: PATIENT, ...pool })
  const retrying: Way = {
    name: 'discovered, with retries',
    origin: originOver(transport),
    dispatcher,
    [Symbol.asyncDispose]: () => dispatcher.destroy(),
  }
  return [...waysTo(server), retrying]
}
const NAMES = ['a bare Agent', 'passed on', 'discovered', 'discovered, with retries']
// One connection is under way: a cap changes nothing. A host that is passed on has no options for TLS.
const cases = [TRANSPORTS.http, TRANSPORTS.https, TRANSPORTS.h2].flatMap((transport) =>
  NAMES.filter((name) => transport.scheme === 'http' || name !== 'passed on').map((name) => ({
    name,
    transport,
    over: transport.name,
  })),
)

async function withWay(
  transport: Transport,
  name: string,
  answer: RequestListener,
  act: (way: Way) => Promise<void>,
): Promise<void> {
  await using server = await WireServer.http(answer, transport, false)
  for (const way of everyWayTo(server)) {
    await using used = way
    if (way.name === name) await act(used)
  }
}

describe.each(cases)('$name [$over]', ({ name, transport }) => {
  test('a response waits for its reader', async () => {
    const whole = await hashOf(pieces())
    let written = 0
    const answer: RequestListener = (_request, response) =>
      void pipeline(
        Readable.from(
          pieces(() => void (written += PIECE)),
          { highWaterMark: 1 },
        ),
        response,
      )
    await withWay(transport, name, answer, async (way) => {
      const { body } = await way.dispatcher.request({ origin: way.origin, path: '/', method: 'GET' })
      expect(await standstill(() => written)).toBeLessThan(ON_THE_WAY)
      expect(await hashOf(body as AsyncIterable<Buffer>)).toBe(whole)
      expect(written).toBe(PIECE * PIECES)
    })
  })

  test('a handler that pauses and resumes with every piece misses none', async () => {
    const whole = await hashOf(pieces())
    const answer: RequestListener = (_request, response) => void pipeline(Readable.from(pieces()), response)
    await withWay(transport, name, answer, async (way) => {
      const hash = createHash('sha256')
      let early = 0
      const end = Promise.withResolvers<void>()
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart: () => undefined,
        onResponseStart: () => undefined,
        onResponseData(controller, chunk) {
          if (controller.paused) early++
          hash.update(chunk)
          controller.pause()
          setImmediate(() => controller.resume())
        },
        onResponseEnd: () => end.resolve(),
        onResponseError: (_controller, error) => end.reject(error),
      }
      way.dispatcher.dispatch({ origin: way.origin, path: '/', method: 'GET' }, handler)
      await end.promise
      expect([hash.digest('hex'), early]).toEqual([whole, 0])
    })
  })

  const kinds: Record<string, (source: Generator<Buffer>) => unknown> = {
    'a Readable': (source) => Readable.from(source, { highWaterMark: 1 }),
    'a generator': async function* (source) {
      yield* source
    },
    'a web stream': (source) =>
      new ReadableStream<Uint8Array>({
        pull(controller) {
          const { done, value } = source.next()
          if (done === true) controller.close()
          else controller.enqueue(value)
        },
      }),
  }
  test.each(Object.entries(kinds))('a request of %s waits for its reader', async (_kind, make) => {
    const whole = await hashOf(pieces())
    let made = 0
    const gate = Promise.withResolvers<void>()
    const answer: RequestListener = (request, response) =>
      void gate.promise
        .then(() => hashOf(request as AsyncIterable<Buffer>))
        .then((hash) => response.end(hash))
    await withWay(transport, name, answer, async (way) => {
      const call = way.dispatcher.request({
        origin: way.origin,
        path: '/',
        method: 'PUT',
        body: make(pieces(() => void (made += PIECE))) as never,
      })
      const stood = await standstill(() => made)
      expect(stood).toBeGreaterThan(0)
      expect(stood).toBeLessThan(ON_THE_WAY)
      gate.resolve()
      const { body } = await call
      expect(await body.text()).toBe(whole)
      expect(made).toBe(PIECE * PIECES)
    })
  })
})

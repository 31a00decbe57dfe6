/** A request that is sent again is the same request: the same bytes, to the length and the boundary. Or it is not sent again. */
import { Readable } from 'node:stream'
import type { ClientOptions } from 'onehop'
import { Agent, FormData, interceptors } from 'undici'
import { describe, expect, test } from 'vitest'
import { ORIGIN } from '../support/clients.ts'
import { TRANSPORTS, type Transport } from '../support/transports/transports.ts'
import { echo } from './support/echo.ts'
import { failures, framed, pair } from './support/replay-tasks.ts'
import { WireServer } from './support/wire-server.ts'

const KEPT = 64 * 1024

function* pieces(length: number): Generator<Buffer> {
  const all = bytes(length)
  for (let at = 0; at < length; at += 1_000) yield all.subarray(at, at + 1_000)
}

/** No two stretches of it are the same. */
function bytes(length: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, at) => (at * 31 + (at >> 8)) % 251))
}

async function* generated(length: number): AsyncGenerator<Buffer> {
  yield* pieces(length)
}

function webStream(length: number): ReadableStream<Uint8Array> {
  const source = pieces(length)
  return new ReadableStream({
    pull(controller) {
      const { done, value } = source.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
  })
}

const whole: Record<string, (length: number) => unknown> = {
  'a string': (length) =>
    bytes(length)
      .toString('latin1')
      .replaceAll(/[^ -~]/g, 'x'),
  'a Buffer': bytes,
  'a Uint8Array': (length) => new Uint8Array(bytes(length)),
  'an ArrayBuffer': (length) => new Uint8Array(bytes(length)).buffer,
  'a Blob': (length) => new Blob([new Uint8Array(bytes(length))], { type: 'text/x' }),
  'a FormData': (length) => {
    const form = new FormData()
    form.set('field', 'value')
    form.set('file', new Blob([new Uint8Array(bytes(length))]), 'name')
    return form
  },
  'form parameters': (length) => new URLSearchParams({ a: 'x'.repeat(length - 2) }),
}
const streamed: Record<string, (length: number) => unknown> = {
  'a Readable': (length) => Readable.from(pieces(length)),
  'a Readable of bytes': (length) => Readable.from(pieces(length), { objectMode: false }),
  'a web stream': webStream,
  'a generator': generated,
  'an iterable': pieces,
  'an array': (length) => [...pieces(length)],
}
const calls = [
  { method: 'PUT', headers: {} },
  { method: 'POST', headers: { 'idempotency-key': 'k' } },
]

/** Each failure over each transport. */
const failing = Object.values(TRANSPORTS).flatMap((transport) =>
  Object.entries(failures).map(([failure, fail]) => ({ failure, fail, transport, over: transport.name })),
)

/**
 * undici never ends a request of HTTP/2 whose form was not read when the connection was reset: the attempt's own limit does.
 * Nothing else may meet that limit, which a busy machine exceeds.
 */
function optionsFor(kind: string, failure: string, { protocol }: Transport): ClientOptions {
  const neverEnds = protocol === 'HTTP/2' && kind === 'a FormData' && failure.startsWith('a reset')
  return neverEnds ? { timeouts: { attemptMs: 3_000 } } : {}
}

/** What one request of this body is on the wire. */
async function alone(init: object, transport: Transport): Promise<string[]> {
  await using tasks = await pair(echo, {}, transport)
  const { body } = await tasks.client.request(tasks.origin, init)
  await body.text()
  return framed(tasks.first)
}

describe.each(failing)('after $failure [$over]', ({ failure, fail, transport, over }) => {
  describe.each(calls)('$method', ({ method, headers }) => {
    const kinds = { ...whole, ...streamed }
    test.each(Object.entries(kinds))('of %s is sent again as it is', async (kind, make) => {
      for (const length of [5, 30_000, KEPT]) {
        await using tasks = await pair(fail, optionsFor(kind, failure, transport), transport)
        const init = (): object => ({ method, headers, body: make(length) })
        const { statusCode, body } = await tasks.client.request(tasks.origin, init())
        await body.arrayBuffer()
        expect(statusCode).toBe(200)
        const [sent] = framed(tasks.second)
        expect(sent === (await alone(init(), transport))[0]).toBe(true)
        expect(sent?.length).toBeGreaterThan(length)
        // What the first got is the same, as far as it got.
        const [before] = framed(tasks.first)
        expect(sent?.startsWith(before ?? 'none')).toBe(true)
        if (failure.endsWith('all of it was read')) expect(before === sent).toBe(true)
        if ((kind === 'a Blob' || kind === 'a FormData') && over !== 'https')
          expect(sent).toMatch(/content-length: \d/)
      }
    })

    test.each(Object.entries(streamed))(
      'of %s that is too long to keep is sent again whole or not at all',
      async (_kind, make) => {
        for (const length of [KEPT + 1, 300_000]) {
          await using tasks = await pair(fail, {}, transport)
          const init = (): object => ({ method, headers, body: make(length) })
          const outcome = await tasks.client.request(tasks.origin, init()).then(
            async ({ statusCode, body }) => {
              await body.arrayBuffer()
              return statusCode
            },
            (error: NodeJS.ErrnoException) => error.code,
          )
          const sent = framed(tasks.second)
          if (outcome === 200) expect(sent[0] === (await alone(init(), transport))[0]).toBe(true)
          else
            expect([outcome, sent]).toEqual([failure.includes('503') ? 503 : 'ONEHOP_ATTEMPTS_EXHAUSTED', []])
          if (failure.endsWith('all of it was read')) expect(outcome).not.toBe(200)
        }
      },
    )
  })

  test.each(Object.entries({ ...whole, ...streamed }))(
    'a POST of %s is not sent again',
    async (kind, make) => {
      await using tasks = await pair(fail, optionsFor(kind, failure, transport), transport)
      const init = { method: 'POST' as const, body: make(30_000) as never }
      await tasks.client.request(tasks.origin, init).then(
        ({ body }) => body.text(),
        () => undefined,
      )
      expect(tasks.second.take()).toEqual([])
    },
  )
})

describe.each(Object.entries({ ...whole, 'a web stream': webStream }))('fetch of %s', (kind, make) => {
  test.each(failing)(
    'after $failure is sent again as it is [$over]',
    async ({ failure, fail, transport }) => {
      for (const length of [5, 30_000]) {
        await using tasks = await pair(fail, optionsFor(kind, failure, transport), transport)
        const init = (): RequestInit => ({ method: 'PUT', body: make(length), duplex: 'half' })
        const response = await tasks.client.fetch(tasks.origin, init())
        await response.arrayBuffer()
        expect(response.status).toBe(200)
        const [sent] = framed(tasks.second)
        await using undisturbed = await pair(echo, {}, transport)
        await (await undisturbed.client.fetch(tasks.origin, init())).arrayBuffer()
        expect(sent === framed(undisturbed.first)[0]).toBe(true)
        expect(sent?.length).toBeGreaterThan(length)
      }
    },
  )
})

test('the boundary of a form is the same in both attempts', async () => {
  const fail = failures['a 503 when all of it was read'] ?? echo
  await using tasks = await pair(fail)
  const body = whole['a FormData']?.(1_000) as never
  await tasks.client.request(ORIGIN, { method: 'PUT', body }).then((response) => response.body.text())
  const [first] = tasks.first.take()
  expect(first).toMatch(/boundary=-*formdata/)
  expect(tasks.second.take()).toEqual([first])
})

test("undici's own retry sends an empty PUT after a 503, and this library the same PUT", async () => {
  let requests = 0
  await using server = await WireServer.http((request, response) => {
    response.statusCode = requests++ === 0 ? 503 : 200
    request.pipe(response)
  })
  const agent = new Agent()
  const retrying = agent.compose(interceptors.retry({ minTimeout: 1, maxTimeout: 1 }))
  // undici notices that a Readable was read, and fails. It does not notice it of a generator, which is what fetch hands over.
  const body = (): never => generated(3_000) as never
  const theirs = await retrying.request({
    origin: `http://${server.label}`,
    path: '/',
    method: 'PUT',
    body: body(),
  })
  expect([theirs.statusCode, (await theirs.body.arrayBuffer()).byteLength]).toEqual([200, 0])
  await agent.destroy()

  await using tasks = await pair(failures['a 503 when all of it was read'] ?? echo)
  const ours = await tasks.client.request(ORIGIN, { method: 'PUT', body: body() })
  expect([ours.statusCode, (await ours.body.arrayBuffer()).byteLength]).toEqual([200, 3_000])
})

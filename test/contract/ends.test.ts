/** What a dispatcher does at its end, beside a bare Agent. Errors are this library's own: they say which client. */
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import type { Dispatcher } from 'undici'
import { describe, expect, test } from 'vitest'
import { clientOf, originOver } from '../support/clients.ts'
import { TRANSPORTS, type Transport } from '../support/transports/transports.ts'
import { trace } from './support/trace.ts'
import { PATIENT, waysTo, type Way } from './support/ways.ts'
import { WireServer } from './support/wire-server.ts'

interface Ending extends Way {
  readonly dispatcher: Dispatcher & { closed?: boolean; destroyed?: boolean }
}

const answer: RequestListener = (request, response) => {
  if (request.url === '/body') response.writeHead(200, { 'content-length': 8 }).write('half')
  if (request.url === '/rest') setTimeout(() => response.end('done'), 50)
  if (request.url === '/') response.end('ok')
}
const WAYS = 3
const transports = Object.values(TRANSPORTS)

/** Each with a server of its own. */
async function eachWay(
  transport: Transport,
  act: (way: Ending, server: WireServer) => Promise<void>,
): Promise<void> {
  for (let index = 0; index < WAYS; index++) {
    await using server = await WireServer.http(answer, transport)
    const way = waysTo(server)[index]
    if (way === undefined) return
    await using used = way
    await act(used, server)
  }
}

const get = (path: string, { origin }: Ending): Dispatcher.RequestOptions => ({ origin, path, method: 'GET' })

describe.each(transports)('close [$name]', (transport) => {
  test('refuses later requests, and calls the handler', async () => {
    await eachWay(transport, async (way, server) => {
      await way.dispatcher.request(get('/', way)).then(({ body }) => body.text())
      const closing = way.dispatcher.close()
      expect(await trace(way.dispatcher, get('/', way) as Dispatcher.DispatchOptions)).toEqual([
        expect.stringMatching(/^onResponseError \w+ (UND_ERR_CLOSED|ONEHOP_CLOSED)/),
      ])
      await closing
      expect(way.dispatcher.closed).toBe(true)
      await way.elsewhere?.close()
      await expect.poll(() => server.sockets.size).toBe(0)
    })
  })

  test('waits for what is under way, to the end of the body', async () => {
    await eachWay(transport, async (way) => {
      // With a connection: what still waits for discovery is refused, and has nothing to lose.
      await way.dispatcher.request(get('/', way)).then(({ body }) => body.text())
      const order: string[] = []
      const call = way.dispatcher.request(get('/rest', way)).then(async ({ body }) => {
        body.on('data', (chunk: Buffer) => order.push(chunk.toString()))
        return once(body, 'end')
      })
      await way.dispatcher.close()
      order.push('closed')
      await call
      expect(order).toEqual(['done', 'closed'])
    })
  })

  test('takes a callback, and may be called again', async () => {
    await eachWay(transport, async ({ dispatcher }) => {
      await new Promise<void>((resolve) => dispatcher.close(resolve))
      await new Promise<void>((resolve) => dispatcher.close(resolve))
      expect([dispatcher.closed]).toEqual([true])
    })
  })
})

describe.each(transports)('close and destroy with a callback [$name]', (transport) => {
  test('return nothing, and call back once, later and without an error', async () => {
    await eachWay(transport, async ({ dispatcher }) => {
      const calls: unknown[][] = []
      const ends = [
        (done: (...args: unknown[]) => void) => dispatcher.close(done),
        (done: (...args: unknown[]) => void) => dispatcher.destroy(done),
        (done: (...args: unknown[]) => void) => dispatcher.destroy(new RangeError('enough'), done),
        (done: (...args: unknown[]) => void) => dispatcher.destroy(null, done),
      ]
      for (const end of ends) {
        const before = calls.length
        const called = new Promise<void>((resolve) => {
          expect(end((...args) => (calls.push(args), resolve()))).toBeUndefined()
        })
        expect(calls.length).toBe(before)
        await called
      }
      await new Promise((resolve) => setImmediate(resolve))
      expect(calls).toEqual(ends.map(() => [null, null]))
    })
  })

  test('refuse one that is none', async () => {
    await eachWay(transport, async ({ dispatcher }) => {
      for (const wrong of [null, 5, 'done', {}]) {
        const refused = expect.objectContaining({ code: 'UND_ERR_INVALID_ARG', message: 'invalid callback' })
        expect(() => dispatcher.close(wrong as never)).toThrow(refused as Error)
        expect(() => dispatcher.destroy(null, wrong as never)).toThrow(refused as Error)
      }
      expect([dispatcher.closed, dispatcher.destroyed]).toEqual([false, false])
    })
  })

  test('return promises without one', async () => {
    await eachWay(transport, async ({ dispatcher }) => {
      for (const ending of [
        dispatcher.close(),
        dispatcher.destroy(),
        dispatcher.destroy(new RangeError('enough')),
      ]) {
        expect(ending).toBeInstanceOf(Promise)
        await ending
      }
    })
  })
})

describe.each(transports)('destroy [$name]', (transport) => {
  test('cuts what is under way, in every phase, with the error that it was given', async () => {
    await eachWay(transport, async (way, server) => {
      const { body } = await way.dispatcher.request(get('/body', way))
      const reading = body.text().catch((error: unknown) => error)
      const waiting = way.dispatcher.request(get('/never', way)).catch((error: unknown) => error)
      await expect.poll(() => server.connections.flat().length).toBe(2)
      const reason = new RangeError('enough')
      await way.dispatcher.destroy(reason)
      // Of HTTP/2 undici says first that the body is too short.
      const cut = expect.objectContaining({ code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' }) as unknown
      expect([await reading, await waiting]).toEqual([transport.protocol === 'HTTP/2' ? cut : reason, reason])
      expect([way.dispatcher.closed, way.dispatcher.destroyed]).toEqual([expect.any(Boolean), true])
      await expect.poll(() => server.sockets.size).toBe(0)
    })
  })

  test('without an error has one that says so, and refuses what comes after it', async () => {
    await eachWay(transport, async (way, server) => {
      const waiting = way.dispatcher.request(get('/never', way)).catch((error: unknown) => error)
      await expect.poll(() => server.connections.flat().length).toBe(1)
      await new Promise<void>((resolve) => way.dispatcher.destroy(resolve))
      expect(await waiting).toMatchObject({
        code: expect.stringMatching(/^UND_ERR_DESTROYED$|^ONEHOP_CLOSED$/) as string,
      })
      expect(await trace(way.dispatcher, get('/', way) as Dispatcher.DispatchOptions)).toEqual([
        expect.stringMatching(/^onResponseError \w+ (UND_ERR_DESTROYED|ONEHOP_CLOSED)/),
      ])
      await way.dispatcher.destroy()
    })
  })

  // Of discovered hosts: a bare Agent that was closed no longer knows what it would have to cut, and waits for ever.
  test('ends a close that waits', async () => {
    await using server = await WireServer.http(() => undefined, transport)
    const pool = transport.pool === undefined ? {} : { pool: transport.pool }
    const { dispatcher } = clientOf([server.label], { retry: false, timeouts: PATIENT, ...pool })
    const waiting = dispatcher
      .request({ origin: originOver(transport), path: '/', method: 'GET' })
      .catch((error: unknown) => error)
    await expect.poll(() => server.connections.flat().length).toBe(1)
    const closing = dispatcher.close()
    await dispatcher.destroy()
    await closing
    expect(await waiting).toMatchObject({ code: 'UND_ERR_DESTROYED' })
  })
})

import { createServer } from 'node:http'
import { connect, constants, createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { createClient, deadlineOf, InvalidOptionsError, type CallOptions, type Deadline } from 'onehop'
import { request as undiciRequest } from 'undici'
import { describe, expect, test } from 'vitest'
import { headerList, withHeader } from '../../../../src/dispatch/request/headers.ts'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import type { TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()

const HEADER = 'x-deadline-ms'
const unavailable: TestServer['answer'] = (_request, response) => void response.writeHead(503).end()

describe('a call says of itself', () => {
  test('how long it may take, by fetch and by request, whatever the service says', async () => {
    const tasks = await servers(1, () => undefined)
    const client = keep(clientOf(tasks, { timeouts: { deadlineMs: 60_000 } }))
    await expect(client.request(ORIGIN, { deadlineMs: 30 })).rejects.toMatchObject({
      code: 'ONEHOP_DEADLINE_EXCEEDED',
      message: expect.stringContaining('within 30 ms') as string,
    })
    await expect(client.fetch(ORIGIN, { deadlineMs: 30 })).rejects.toMatchObject({
      cause: { code: 'ONEHOP_DEADLINE_EXCEEDED' },
    })
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('its deadline: the error names the attempts and the task', async () => {
    const tasks = await servers(1, (_request, response) => void response.write('begun'))
    const clock = manualClock()
    const client = keep(clientOf(tasks, { clock }))
    const { body } = await client.request(ORIGIN, { deadlineMs: 1_000 })
    const text = body.text()
    void clock.advance(1_000)
    await expect(text).rejects.toMatchObject({
      code: 'ONEHOP_DEADLINE_EXCEEDED',
      upstream: tasks[0]?.label,
      message: `[ONEHOP_DEADLINE_EXCEEDED] orders.shop.local: the response (200) was not complete within 1000 ms (1 attempt begun on ${tasks[0]?.label})`,
    })
  })

  test('that its time is over already: nothing is sent', async () => {
    const tasks = await servers(1)
    const client = keep(clientOf(tasks))
    await expect(client.request(ORIGIN, { deadlineMs: 0 })).rejects.toThrow(
      'no response within 0 ms (0 attempts begun)',
    )
    expect(tasks[0]?.seen).toHaveLength(0)
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('that it may be sent again, or must not', async () => {
    const tasks = await servers(2)
    const [bad] = tasks
    if (bad !== undefined) bad.answer = unavailable
    const ways: [CallOptions & { method: string }, number][] = [
      [{ method: 'POST', idempotent: true }, 200],
      [{ method: 'GET', idempotent: false }, 503],
    ]
    for (const [options, status] of ways) {
      // A new client for each, so that the bad task is the first in turn.
      const byRequest = keep(clientOf(tasks))
      const { statusCode, body } = await byRequest.request(ORIGIN, options)
      await body.text()
      const byFetch = keep(clientOf(tasks))
      const response = await byFetch.fetch(ORIGIN, options)
      await response.text()
      expect([statusCode, response.status]).toEqual([status, status])
    }
  })

  test('nothing that is wrong: it fails at once, with what is', async () => {
    const tasks = await servers(1)
    const client = keep(clientOf(tasks))
    const wrong = [
      { deadlineMs: -1 },
      { deadlineMs: Number.NaN },
      { deadlineMs: '100' },
      { deadlineMs: null },
      { idempotent: 'yes' },
      { hedge: true },
      { hedge: { percentile: 50 } },
    ]
    for (const options of wrong) {
      const error: unknown = await client.request(ORIGIN, options as never).catch((reason: unknown) => reason)
      expect(error).toBeInstanceOf(InvalidOptionsError)
      expect(error).toMatchObject({ option: Object.keys(options)[0] })
    }
    expect(tasks[0]?.seen).toHaveLength(0)
    expect(client.inspect().callsUnderWay).toBe(0)
  })
})

describe('options of a call that do not exist', () => {
  test.each(['deadlineMS', 'deadlinems', 'deadline', 'deadline_ms', 'idempotant', 'hedging', 'hedg'])(
    '%s is refused by fetch and by request, and nothing is sent',
    async (name) => {
      const tasks = await servers(1)
      const client = keep(clientOf(tasks))
      const init = { [name]: 50 }
      for (const call of [() => client.fetch(ORIGIN, init), () => client.request(ORIGIN, init)]) {
        const error: unknown = await call().catch((reason: unknown) => reason)
        expect(error).toBeInstanceOf(InvalidOptionsError)
        expect(error).toMatchObject({
          option: name,
          message: expect.stringMatching(
            /no such option; did you mean (deadlineMs|idempotent|hedge)\? known: /,
          ) as string,
        })
      }
      expect(tasks[0]?.seen).toHaveLength(0)
    },
  )

  test.each(['timeout', 'retry', 'redirect', 'agent', 'header', 'x'.repeat(50)])(
    '%s is refused by request, which takes what undici does',
    async (name) => {
      const client = keep(clientOf(await servers(1)))
      await expect(client.request(ORIGIN, { [name]: 'x' })).rejects.toMatchObject({
        code: 'ONEHOP_INVALID_OPTIONS',
        message: expect.stringContaining('known: method, path, query') as string,
      })
    },
  )

  test('fetch lets pass what libraries hand to any fetch, each time', async () => {
    const client = keep(clientOf(await servers(1)))
    const foreign = {
      agent: {},
      next: { revalidate: 5 },
      cf: {},
      timeout: 5,
      compress: true,
      priority: 'low',
    }
    for (let call = 0; call < 2; call++)
      expect((await client.fetch(ORIGIN, foreign as never)).status).toBe(200)
  })

  test('fetch refuses the time limits that it would ignore', async () => {
    const client = keep(clientOf(await servers(1)))
    for (const name of ['headersTimeout', 'bodyTimeout'])
      await expect(client.fetch(ORIGIN, { [name]: 5 })).rejects.toThrow('client.request() takes it')
    expect((await client.request(ORIGIN, { headersTimeout: 5_000, bodyTimeout: 5_000 })).statusCode).toBe(200)
  })

  test('another dispatcher is refused: it would not be used', async () => {
    const client = keep(clientOf(await servers(1)))
    const other = keep(clientOf([]))
    const given = { dispatcher: other.dispatcher } as never
    await expect(client.request(ORIGIN, given)).rejects.toThrow('calls go through this client')
    await expect(client.fetch(ORIGIN, given)).rejects.toThrow('calls go through this client')
    expect((await client.fetch(ORIGIN, { dispatcher: client.dispatcher } as never)).status).toBe(200)
  })

  test('one that is undefined is as if it were not there', async () => {
    const client = keep(clientOf(await servers(1)))
    const nothing = { deadlineMS: undefined, agent: undefined, dispatcher: undefined } as never
    expect((await client.fetch(ORIGIN, nothing)).status).toBe(200)
    expect((await client.request(ORIGIN, nothing)).statusCode).toBe(200)
  })

  test('undici says itself what it no longer takes', async () => {
    const client = keep(clientOf(await servers(1)))
    await expect(client.request(ORIGIN, { maxRedirections: 5 } as never)).rejects.toThrow(
      'redirect interceptor',
    )
  })
})

describe('the options', () => {
  test('are checked: hedge and deadlineHeader', () => {
    const wrong: [string, object][] = [
      ['hedge', { hedge: 1 }],
      ['hedge.percentile', { hedge: { percentile: 100 } }],
      ['hedge.percentile', { hedge: { percentile: 49 } }],
      ['hedge.minMs', { hedge: { minMs: 0 } }],
      ['hedge.after', { hedge: { after: 5 } }],
      ['hedge.budget.ratio', { hedge: { budget: { ratio: -1 } } }],
      ['deadlineHeader', { deadlineHeader: true }],
      ['deadlineHeader', { deadlineHeader: 'x deadline' }],
      ['deadlineHeader', { deadlineHeader: 'Host' }],
    ]
    for (const [option, options] of wrong)
      expect(() => createClient(options)).toThrow(expect.objectContaining({ option }) as Error)
  })
})

describe('the deadline header', () => {
  test("sends each attempt the time that is left, instead of the caller's value", async () => {
    const tasks = await servers(2)
    const [bad, good] = tasks
    const clock = manualClock()
    if (bad !== undefined)
      bad.answer = (_request, response) => void clock.advance(60).then(() => response.writeHead(503).end())
    const client = keep(
      clientOf(tasks, { clock, deadlineHeader: 'X-Deadline-Ms', timeouts: { deadlineMs: 20_000 } }),
    )
    const { body } = await client.request(ORIGIN, {
      headers: { 'X-DEADLINE-ms': 'forged', 'x-other': 'stays' },
    })
    await body.text()
    expect([bad, good].map((task) => task?.seen[0]?.headers[HEADER])).toEqual(['20000', '19940'])
    expect(good?.seen[0]?.headers['x-other']).toBe('stays')
  })

  test('is not sent by calls without a deadline, nor where it is off', async () => {
    const tasks = await servers(1)
    for (const options of [{ deadlineHeader: HEADER }, { timeouts: { deadlineMs: 5_000 } }]) {
      const client = keep(clientOf(tasks, options))
      await client.request(ORIGIN).then(({ body }) => body.text())
    }
    expect(tasks[0]?.seen.map(({ headers }) => headers[HEADER])).toEqual([undefined, undefined])
  })

  test('is set in all forms of headers that undici takes', () => {
    const set = (headers: unknown): unknown => withHeader(headerList(headers), HEADER, '5')
    expect(set(null)).toEqual([HEADER, '5'])
    expect(set({ a: '1', 'X-Deadline-MS': '9' })).toEqual(['a', '1', HEADER, '5'])
    expect(set(['a', HEADER, 'X-Deadline-Ms', '9', 'b', '2'])).toEqual(['a', HEADER, 'b', '2', HEADER, '5'])
    const pairs = [
      ['a', '1'],
      ['X-Deadline-Ms', '9'],
    ] as const
    expect(set(new Map(pairs))).toEqual(['a', '1', HEADER, '5'])
    // What undici refuses, it still refuses.
    expect(set('a: 1')).toBe('a: 1')
    expect(set(['odd'])).toHaveLength(3)
    expect(set(new Set(['a']))).toEqual(new Set(['a']))
  })
})

describe('deadlineOf', () => {
  const headers = { [HEADER]: '100' }

  test('gives the time that is left, and aborts when none is', async () => {
    const clock = manualClock()
    const deadline = deadlineOf({ headers }, 'X-Deadline-Ms', clock)
    const signal = deadline?.signal
    await clock.advance(40)
    expect([deadline?.leftMs(), signal?.aborted]).toEqual([60, false])
    await clock.advance(60)
    expect([deadline?.leftMs(), signal?.aborted]).toEqual([0, true])
    expect(signal?.reason).toMatchObject({ name: 'TimeoutError' })
    expect(clock.pendingTimers).toBe(0)
  })

  test('sets no timer before its signal is wanted, and none outlives it', () => {
    const clock = manualClock()
    const deadline = deadlineOf({ headers: new Headers(headers) }, HEADER, clock)
    expect(clock.pendingTimers).toBe(0)
    expect(deadline?.signal).toBe(deadline?.signal)
    expect(clock.pendingTimers).toBe(1)
    deadline?.[Symbol.dispose]()
    expect(clock.pendingTimers).toBe(0)
  })

  test('aborts at once where the caller has left before the signal is read', async () => {
    const leaving = new AbortController()
    const left = Promise.withResolvers<Deadline | undefined>()
    const server = createServer((request) => {
      const deadline = deadlineOf(request, HEADER)
      request.socket.once('close', () => left.resolve(deadline))
      leaving.abort()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
    keep({ [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) })
    const { port } = server.address() as AddressInfo
    const { signal } = leaving
    await undiciRequest(`http://127.0.1.1:${port}`, { headers: { [HEADER]: '60000' }, signal }).catch(
      () => undefined,
    )
    const deadline = await left.promise
    expect(deadline?.signal.aborted).toBe(true)
    expect(deadline?.signal.reason).toMatchObject({ name: 'AbortError', message: 'the caller has left' })
  })

  test.each(['before', 'after'])(
    'over HTTP/2, aborts for a caller that leaves %s the signal is read',
    async (when) => {
      const asked = Promise.withResolvers<{ deadline: Deadline | undefined; stream: ServerHttp2Stream }>()
      const server = createHttp2Server((request) => {
        const deadline = deadlineOf(request, HEADER)
        if (when === 'after') void deadline?.signal
        asked.resolve({ deadline, stream: request.stream })
      })
      await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
      const session = connect(`http://127.0.1.1:${(server.address() as AddressInfo).port}`)
      keep({
        async [Symbol.asyncDispose]() {
          session.destroy()
          await new Promise<void>((resolve) => server.close(() => resolve()))
        },
      })
      const call = session.request({ [HEADER]: '60000' })
      call.on('error', () => undefined)
      const { deadline, stream } = await asked.promise
      const aborted = new Promise((resolve) => stream.once('aborted', resolve))
      call.close(constants.NGHTTP2_CANCEL)
      await aborted
      expect(deadline?.signal.reason).toMatchObject({ name: 'AbortError' })
      // The connection stays, for others.
      expect(session.destroyed).toBe(false)
    },
  )

  test('is over at once where its time is, and sets no timer once it is disposed of', async () => {
    const clock = manualClock()
    const late = deadlineOf({ headers }, HEADER, clock)
    await clock.advance(100)
    expect(late?.signal.reason).toMatchObject({ name: 'TimeoutError' })
    const disposed = deadlineOf({ headers }, HEADER, clock)
    disposed?.[Symbol.dispose]()
    expect(disposed?.signal.aborted).toBe(false)
    expect(clock.pendingTimers).toBe(0)
  })

  test('refuses the name of no header', () => {
    for (const name of ['', 'x deadline', undefined, 5])
      expect(() => deadlineOf({ headers }, name as never)).toThrow('allowed: the name of a header')
  })

  test('knows none where the header is missing, or says nothing', () => {
    expect(deadlineOf({ headers: {} }, HEADER)).toBeUndefined()
    for (const text of ['', 'soon', '-5', '1e3', '999999999', '5, 6'])
      expect(deadlineOf({ headers: { [HEADER]: text } }, HEADER)).toBeUndefined()
  })

  test('aborts when the caller leaves, and leaves no listener on a connection that stays', async () => {
    const heard = Promise.withResolvers<unknown>()
    const deadlines: (Deadline | undefined)[] = []
    const server = createServer((request, response) => {
      const deadline = deadlineOf(request, HEADER)
      deadlines.push(deadline)
      if (request.url === '/hang')
        deadline?.signal.addEventListener('abort', () => heard.resolve(deadline.signal.reason))
      else {
        void deadline?.signal
        deadline?.[Symbol.dispose]()
        response.end(String(request.socket.listenerCount('close')))
      }
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
    keep({ [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) })
    const { port } = server.address() as AddressInfo
    const client = keep(
      clientOf([`127.0.1.1:${port}`], { deadlineHeader: HEADER, timeouts: { deadlineMs: 10_000 } }),
    )
    const counts = []
    for (let call = 0; call < 3; call++)
      counts.push(await client.request(ORIGIN).then(({ body }) => body.text()))
    expect(new Set(counts).size).toBe(1)

    const abort = new AbortController()
    const call = client.request(`${ORIGIN}/hang`, { signal: abort.signal }).catch(() => undefined)
    await expect.poll(() => deadlines.length).toBe(4)
    abort.abort()
    await call
    expect(await heard.promise).toMatchObject({ name: 'AbortError' })
  })
})

test('calls to hosts that are not discovered go through as they are', async () => {
  const tasks = await servers(1)
  const client = keep(clientOf([]))
  const { body } = await undiciRequest(`http://${tasks[0]?.label}`, {
    dispatcher: client.dispatcher,
    deadlineMs: 1,
  } as never)
  expect(await body.text()).toBe(tasks[0]?.label)
})

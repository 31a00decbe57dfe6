/** `createClient({ interceptors })`: those of undici, and of users, around whole calls. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { ClosedError, createClient, InvalidOptionsError, type ClientOptions } from 'onehop'
import { Dispatcher, interceptors } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clientOf, ORIGIN } from '../support/clients.ts'
import { onOnePort } from '../support/loopback-server.ts'
import { resources } from '../support/resources.ts'
import type { TestServer } from '../support/servers.ts'
import { originIn, poolIn, WORLDS, WorldServer } from '../support/transports/worlds.ts'

const { keep, servers } = resources()

type Interceptor = Dispatcher.DispatcherComposeInterceptor
type Answer = TestServer['answer']

const status =
  (code: number): Answer =>
  (_request, response) =>
    void response.writeHead(code).end(String(code))

/** Keeps the path of each request that passes it. */
function spy(seen: string[], name = ''): Interceptor {
  return (dispatch) => (options, handler) => {
    seen.push(`${name}${options.method} ${options.path}`)
    return dispatch(options, handler)
  }
}

function sum(tasks: readonly TestServer[]): number {
  return tasks.reduce((total, { seen }) => total + seen.length, 0)
}

/** Answers by itself, as mocks do. */
const mock: Interceptor = () => (_options, handler) => {
  const controller = { paused: false, aborted: false, reason: null, rawHeaders: [], rawTrailers: [] }
  const own = { ...controller, pause() {}, resume() {}, abort() {} } as never
  handler.onRequestStart?.(own, null)
  handler.onResponseStart?.(own, 200, { 'content-type': 'text/plain' }, 'OK')
  handler.onResponseData?.(own, Buffer.from('mocked'))
  handler.onResponseEnd?.(own, {})
  return true
}

describe.each(WORLDS)('over %s', (world) => {
  test('fetch, request and dispatcher carry them, for whole calls', async () => {
    let failures = 2
    const answer = (
      _request: unknown,
      response: { writeHead(code: number): { end(text: string): void } },
    ): void => {
      response.writeHead(failures-- > 0 ? 503 : 200).end('answered')
    }
    const make = (): WorldServer => WorldServer.of(world, answer)
    const tasks = (await onOnePort([make, make, make])).map(keep)
    const seen: string[] = []
    const client = keep(clientOf(tasks, { interceptors: [spy(seen)], pool: poolIn(world) }))
    const url = `${originIn(world)}/v1`
    expect(await (await client.fetch(url)).text()).toBe('answered')
    // Three attempts: one call.
    expect(seen).toEqual(['GET /v1'])
    expect(tasks.flatMap(({ seen: requests }) => requests)).toHaveLength(3)
    await (await client.request(url)).body.dump()
    await (
      await client.dispatcher.request({ origin: originIn(world), path: '/v1', method: 'GET' })
    ).body.dump()
    expect(seen).toHaveLength(3)
  })
})

test('the last one is the outermost, as in compose()', async () => {
  const seen: string[] = []
  const tasks = await servers(1)
  const client = keep(clientOf(tasks, { interceptors: [spy(seen, 'inner '), spy(seen, 'outer ')] }))
  await (await client.fetch(ORIGIN)).text()
  expect(seen).toEqual(['outer GET /', 'inner GET /'])
  await (
    await client.dispatcher
      .compose(spy(seen, 'composed '))
      .request({ origin: ORIGIN, path: '/', method: 'GET' })
  ).body.dump()
  expect(seen.slice(2)).toEqual(['composed GET /', 'outer GET /', 'inner GET /'])
})

describe("undici's own", () => {
  test('decompress', async () => {
    const tasks = await servers(1, (_request, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('plain')),
    )
    const client = keep(clientOf(tasks, { interceptors: [interceptors.decompress()] }))
    expect(await (await client.request(ORIGIN)).body.text()).toBe('plain')
  })

  test('redirect', async () => {
    const tasks = await servers(2, (_request, response, { url }) =>
      url === '/old' ? response.writeHead(307, { location: '/new' }).end() : response.end(url),
    )
    const client = keep(clientOf(tasks, { interceptors: [interceptors.redirect({ maxRedirections: 3 })] }))
    const { body } = await client.request(`${ORIGIN}/old`, { method: 'POST', body: 'x' })
    expect(await body.text()).toBe('/new')
    expect(sum(tasks)).toBe(2)
  })

  test('responseError, above retries that see the status', async () => {
    const tasks = await servers(3, status(503))
    const client = keep(clientOf(tasks, { interceptors: [interceptors.responseError()] }))
    await expect(client.request(ORIGIN)).rejects.toMatchObject({ code: 'UND_ERR_RESPONSE', statusCode: 503 })
    expect(sum(tasks)).toBe(3)
  })

  test('retry repeats calls, each of which has its own attempts', async () => {
    const tasks = await servers(3, status(503))
    const retry = interceptors.retry({ maxRetries: 1, minTimeout: 1, retryAfter: false, throwOnError: false })
    const client = keep(clientOf(tasks, { interceptors: [retry], retry: { attempts: 2 } }))
    expect(
      (await client.request(ORIGIN).then(async (response) => (await response.body.dump(), response)))
        .statusCode,
    ).toBe(503)
    expect(sum(tasks)).toBe(4)
  })

  test('retry does not repeat what failed for this client', async () => {
    const seen: string[] = []
    const retry = interceptors.retry({ maxRetries: 3, minTimeout: 1 })
    const client = keep(clientOf([], { interceptors: [spy(seen), retry] }))
    await expect(client.request(ORIGIN)).rejects.toMatchObject({ code: 'ONEHOP_NO_ENDPOINTS' })
    expect(seen).toHaveLength(1)
  })

  test('cache answers without a task', async () => {
    const tasks = await servers(2, (_request, response) =>
      response.writeHead(200, { 'cache-control': 'max-age=60', date: new Date().toUTCString() }).end('kept'),
    )
    const client = keep(clientOf(tasks, { interceptors: [interceptors.cache()] }))
    for (let call = 0; call < 3; call++) expect(await (await client.fetch(ORIGIN)).text()).toBe('kept')
    expect(sum(tasks)).toBe(1)
    expect(client.inspect().callsUnderWay).toBe(0)
    await client.close()
    await expect(client.request(ORIGIN)).rejects.toBeInstanceOf(ClosedError)
  })

  test('dump', async () => {
    const tasks = await servers(1, (_request, response) => response.end('x'.repeat(1_000)))
    const client = keep(clientOf(tasks, { interceptors: [interceptors.dump({ maxSize: 2_000 })] }))
    expect(await (await client.request(ORIGIN)).body.text()).toBe('')
  })

  test('dns takes discovered hosts away: the address is what the client gets', async () => {
    const [task] = await servers(1)
    const seen: string[] = []
    const [address = '', port] = (task as TestServer).label.split(':')
    const dns = interceptors.dns({
      lookup: (_origin, _options, callback) => callback(null, [{ address, ttl: 60_000, family: 4 }]),
    })
    const client = keep(clientOf([task as TestServer], { interceptors: [spy(seen), dns] }))
    expect((await client.request(`${ORIGIN}:${port}`)).statusCode).toBe(200)
    expect(client.inspect().services).toEqual({})
  })
})

describe('of users', () => {
  test('one that answers by itself needs no task, and nothing is under way', async () => {
    const client = keep(clientOf([], { interceptors: [mock] }))
    expect(await (await client.fetch(ORIGIN)).text()).toBe('mocked')
    expect(await (await client.request(ORIGIN, { method: 'POST', body: 'x' })).body.text()).toBe('mocked')
    expect(await (await client.fetch(new Request(ORIGIN))).text()).toBe('mocked')
    expect(client.inspect().callsUnderWay).toBe(0)
    await client.close()
    await expect(client.request(ORIGIN)).rejects.toBeInstanceOf(ClosedError)
  })

  test('what it throws rejects the call, and leaves nothing under way', async () => {
    const error = new Error('thrown')
    const client = keep(
      clientOf(await servers(1), {
        interceptors: [
          () => (_options, _handler) => {
            throw error
          },
        ],
      }),
    )
    await expect(client.request(ORIGIN)).rejects.toBe(error)
    await expect(client.fetch(ORIGIN)).rejects.toMatchObject({ cause: error })
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  describe('an async one', () => {
    const unhandled = (): unknown[] => {
      const reasons: unknown[] = []
      const listener = (reason: unknown): void => void reasons.push(reason)
      process.on('unhandledRejection', listener)
      onTestFinished(() => void process.off('unhandledRejection', listener))
      return reasons
    }
    const later =
      (
        next: (dispatch: Dispatcher.Dispatch, ...given: Parameters<Dispatcher.Dispatch>) => boolean,
      ): Interceptor =>
      (dispatch) =>
        // undici's types know none, and JavaScript does.
        (async (options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler) => {
          await Promise.resolve()
          return next(dispatch, options, handler)
        }) as never

    test('sends the call when it has what it waits for', async () => {
      const client = keep(
        clientOf(await servers(1), { interceptors: [later((dispatch, ...given) => dispatch(...given))] }),
      )
      expect((await client.request(ORIGIN)).statusCode).toBe(200)
      expect((await client.fetch(ORIGIN)).status).toBe(200)
    })

    test('rejects the call with what it rejects with, and nothing is unhandled', async () => {
      const reasons = unhandled()
      const error = new Error('no token')
      const failing = later(() => {
        throw error
      })
      const client = keep(clientOf(await servers(1), { interceptors: [failing, spy([])] }))
      await expect(client.request(ORIGIN)).rejects.toBe(error)
      await expect(client.fetch(ORIGIN)).rejects.toMatchObject({ cause: error })
      const builtin = fetch(ORIGIN, { dispatcher: client.dispatcher } as never)
      await expect(builtin).rejects.toMatchObject({ cause: error })
      expect(reasons).toEqual([])
    })

    test('that rejects later is not unhandled either', async () => {
      const reasons = unhandled()
      const client = keep(
        clientOf(await servers(1), {
          interceptors: [
            later((dispatch, options, handler) => {
              dispatch(options, handler)
              throw new Error('late')
            }),
            mock,
          ].toReversed(),
        }),
      )
      expect((await client.request(ORIGIN)).statusCode).toBe(200)
      await new Promise((resolve) => setTimeout(resolve, 20))
      expect(reasons).toEqual([])
    })
  })

  test('what its handler throws ends the call alone', async () => {
    const error = new Error('thrown by the handler')
    const throwing: Interceptor = (dispatch) => (options, handler) =>
      dispatch(options, {
        onRequestStart: (...given) => handler.onRequestStart?.(...given),
        onResponseStart: () => {
          throw error
        },
        onResponseData: (...given) => handler.onResponseData?.(...given),
        onResponseEnd: (...given) => handler.onResponseEnd?.(...given),
        onResponseError: (...given) => handler.onResponseError?.(...given),
      })
    const tasks = await servers(2)
    const client = keep(clientOf(tasks, { interceptors: [throwing] }))
    await expect(client.request(ORIGIN)).rejects.toBe(error)
    expect(sum(tasks)).toBe(1)
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('it may add headers, which every attempt has', async () => {
    const sign: Interceptor = (dispatch) => (options, handler) =>
      dispatch({ ...options, headers: { ...(options.headers as object), 'x-signed': 'yes' } }, handler)
    const tasks = await servers(3, status(503))
    const client = keep(clientOf(tasks, { interceptors: [sign] }))
    await (
      await client.request(ORIGIN, { method: 'PUT', body: Buffer.from('body'), headers: { own: 'too' } })
    ).body.dump()
    for (const { seen } of tasks) {
      expect(seen.map(({ headers, body }) => [headers['x-signed'], headers['own'], body])).toEqual([
        ['yes', 'too', 'body'],
      ])
    }
  })

  test('options of single calls pass through them', async () => {
    const tasks = await servers(2, () => undefined)
    const client = keep(clientOf(tasks, { interceptors: [spy([])] }))
    await expect(client.fetch(ORIGIN, { deadlineMs: 50 })).rejects.toMatchObject({
      cause: { code: 'ONEHOP_DEADLINE_EXCEEDED' },
    })
    await expect(client.request(ORIGIN, { deadlineMs: 50 })).rejects.toMatchObject({
      code: 'ONEHOP_DEADLINE_EXCEEDED',
    })
  })

  test('calls that wait for a connection, and calls with a hedge, pass them once', async () => {
    const seen: string[] = []
    const capped = keep(clientOf(await servers(2), { interceptors: [spy(seen)], pool: { connections: 1 } }))
    await Promise.all(Array.from({ length: 20 }, async () => (await capped.fetch(ORIGIN)).text()))
    expect(seen).toHaveLength(20)

    const tasks = await servers(3)
    const hedge = { percentile: 50, budget: { ratio: 1, minPerSecond: 1_000 } }
    const hedged = keep(clientOf(tasks, { interceptors: [spy(seen)], hedge }))
    const call = async (): Promise<void> => void (await (await hedged.fetch(ORIGIN)).text())
    for (let round = 0; round < 30; round++) await Promise.all(Array.from({ length: 5 }, call))
    tasks[0]!.answer = (_request, response) => void setTimeout(() => response.end(), 5_000).unref()
    let calls = 150
    // The delay of hedges is computed every 250 ms.
    for (; sum(tasks) === calls; calls += 3) await Promise.all(Array.from({ length: 3 }, call))
    expect(seen).toHaveLength(20 + calls)
  })

  test('the async context of the caller is theirs, in callbacks, too', async () => {
    const store = new AsyncLocalStorage<string>()
    const seen: unknown[] = []
    const watching: Interceptor = (dispatch) => (options, handler) => {
      seen.push(store.getStore())
      return dispatch(options, {
        onRequestStart: (...given) => handler.onRequestStart?.(...given),
        onResponseStart: (...given) => (seen.push(store.getStore()), handler.onResponseStart?.(...given)),
        onResponseData: (...given) => handler.onResponseData?.(...given),
        onResponseEnd: (...given) => (seen.push(store.getStore()), handler.onResponseEnd?.(...given)),
        onResponseError: (...given) => handler.onResponseError?.(...given),
      })
    }
    const tasks = await servers(3, status(503))
    const client = keep(clientOf(tasks, { interceptors: [watching], pool: { connections: 1 } }))
    for (const name of ['one', 'two']) {
      await store.run(name, async () => (await client.request(ORIGIN)).body.dump())
    }
    expect(seen).toEqual(['one', 'one', 'one', 'two', 'two', 'two'])
  })
})

test('hosts that are not discovered pass them, too', async () => {
  const server = createServer((_request, response) => response.end('elsewhere'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => server.close().closeAllConnections())
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/path`
  const seen: string[] = []
  const client = keep(clientOf([], { interceptors: [spy(seen)] }))
  expect(await (await client.fetch(url)).text()).toBe('elsewhere')
  // The built-in fetch, whose handlers are of another undici on Node 22 and 24.
  expect(await (await client.fetch(new Request(url))).text()).toBe('elsewhere')
  expect(await (await globalThis.fetch(url, { dispatcher: client.dispatcher } as never)).text()).toBe(
    'elsewhere',
  )
  expect(seen).toEqual(['GET /path', 'GET /path', 'GET /path'])
})

test("the built-in fetch gets what undici's interceptors make of answers", async () => {
  const tasks = await servers(2, (_request, response, { body }) => response.end(`got ${body}`))
  const all = [
    interceptors.retry(),
    interceptors.redirect({ maxRedirections: 1 }),
    interceptors.responseError(),
  ]
  const client = keep(clientOf(tasks, { interceptors: all }))
  const { dispatcher } = client
  const post = { method: 'POST', body: 'body', headers: { 'content-length': '4' } }
  expect(await (await globalThis.fetch(ORIGIN, { ...post, dispatcher } as never)).text()).toBe('got body')
  expect(await (await client.fetch(new Request(ORIGIN, { method: 'POST', body: 'body' }))).text()).toBe(
    'got body',
  )
  expect(await (await client.fetch(ORIGIN, post)).text()).toBe('got body')
})

test('close() waits for the calls beneath them, and what they begin later is refused', async () => {
  let answer: (() => void) | undefined
  const tasks = await servers(1, (_request, response) => {
    answer = () => void response.writeHead(503, { 'retry-after': '0' }).end()
  })
  const retry = interceptors.retry({ maxRetries: 1, minTimeout: 1 })
  const client = clientOf(tasks, { interceptors: [retry], retry: false })
  const call = client.request(ORIGIN).then(
    () => 'answered',
    (error: unknown) => error,
  )
  await expect.poll(() => answer).toBeDefined()
  const closed = client.close()
  answer?.()
  await closed
  expect(await call).toBeInstanceOf(ClosedError)
})

test('the dispatcher is one for setGlobalDispatcher and for instanceof', () => {
  const client = keep(clientOf([], { interceptors: [mock] }))
  expect(client.dispatcher).toBeInstanceOf(Dispatcher)
  expect(client.dispatcher.closed).toBe(false)
  // Without any, it is the class alone: no call pays for them.
  expect(keep(clientOf([], { interceptors: [] })).dispatcher.constructor.name).toBe('DiscoveryDispatcher')
})

describe('what is wrong is refused at once', () => {
  const wrong: [string, unknown, string][] = [
    ['no array', interceptors.retry(), 'interceptors'],
    ['no function', [{}], 'interceptors[0]'],
    ['undefined', [undefined], 'interceptors[0]'],
    ['a factory', [interceptors.dump(), interceptors.retry], 'interceptors[1]'],
    ['a function that returns nothing', [() => undefined], 'interceptors[0]'],
  ]
  test.each(wrong)('%s', (_what, value, option) => {
    const given = { interceptors: value } as ClientOptions
    expect(() => createClient(given)).toThrow(InvalidOptionsError)
    expect(() => createClient(given)).toThrow(expect.objectContaining({ option }))
  })

  test('interceptors of a service: they see the origin of each call', () => {
    const services = { 'orders.shop.local': { interceptors: [] } } as never
    expect(() => createClient({ services })).toThrow(
      'services["orders.shop.local"].interceptors: no such option',
    )
  })

  test('a handler that is incomplete, as without interceptors', () => {
    const client = keep(clientOf([], { interceptors: [mock] }))
    const handler = { onRequestStart: () => undefined } as never
    expect(() => client.dispatcher.dispatch({ origin: ORIGIN, path: '/', method: 'GET' }, handler)).toThrow(
      'invalid onResponseError method',
    )
    expect(() =>
      client.dispatcher.dispatch({ origin: ORIGIN, path: '/', method: 'GET' }, null as never),
    ).toThrow('handler must be an object')
  })
})

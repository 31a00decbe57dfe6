/**
 * Whose async context things run in. undici calls back in that of whoever opened the connection; retries, hedges, events
 * and the caller's handler run in the caller's.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { consistentHash, onEvent, tracing, type ClientOptions, type Clock, type EventName } from 'onehop'
import { manualClock, type ManualClock } from 'onehop/testing'
import { interceptors } from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { silentHandler } from '../../../support/handlers.ts'
import { learnHedging } from '../../../support/hedging.ts'
import { resources } from '../../../support/resources.ts'
import { refusingAddress, type TestServer } from '../../../support/servers.ts'
import { originIn, poolIn, WorldServer } from '../../../support/transports/worlds.ts'

const { keep, servers } = resources()
const storage = new AsyncLocalStorage<string>()

interface Sent {
  readonly path: string
  readonly context: string | undefined
}

/** In which context each attempt was handed to a connection. */
function watchAttempts(): Sent[] {
  const sent: Sent[] = []
  const listener = (message: unknown): void => {
    const { path } = (message as { request: { path: string } }).request
    sent.push({ path, context: storage.getStore() })
  }
  subscribe('undici:request:create', listener)
  onTestFinished(() => void unsubscribe('undici:request:create', listener))
  return sent
}

type Fetcher = ReturnType<typeof clientOf>

/** Tasks to which another opened all connections, as many as there will be calls. */
async function opened(
  count: number,
  options: ClientOptions = {},
): Promise<{ client: Fetcher; tasks: TestServer[] }> {
  const tasks = await servers(count)
  const client = keep(clientOf(tasks, { outlier: false, ...options }))
  await storage.run('opener', async () => {
    for (let round = 0; round < 2 * count; round++)
      await Promise.all(
        Array.from({ length: 4 }, async () => (await client.request(`${ORIGIN}/warm`)).body.dump()),
      )
  })
  return { client, tasks }
}

async function get(client: Fetcher, path: string, init: object = {}): Promise<string> {
  const { body } = await client.request(`${ORIGIN}${path}`, init)
  return await body.text()
}

const failing: Record<string, TestServer['answer']> = {
  'a 503': (_request, response) => void response.writeHead(503).end(),
  'a reset': (request) => void request.socket.resetAndDestroy(),
}

describe('each attempt is made in the context of its call', () => {
  for (const [failure, answer] of Object.entries(failing)) {
    for (const by of ['request', 'fetch'] as const) {
      test(`after ${failure}, with connections that others opened (${by})`, async () => {
        const { client, tasks } = await opened(3)
        for (const task of tasks.slice(0, 2)) task.answer = answer
        const sent = watchAttempts()
        const calls = Array.from({ length: 6 }, (_, number) =>
          storage.run(`call-${number}`, async () => {
            if (by === 'request') await get(client, `/call-${number}`)
            else await (await client.fetch(`${ORIGIN}/call-${number}`)).text()
            // Nor is the caller itself anywhere else afterwards.
            expect(storage.getStore()).toBe(`call-${number}`)
          }),
        )
        await Promise.all(calls)
        expect(sent.length).toBeGreaterThan(6)
        for (const { path, context } of sent) expect(`/${context}`).toBe(path)
      })
    }
  }

  test('after a wait, after a refusal, and after discovery was waited for', async () => {
    const [task] = await servers(1)
    const known = Promise.withResolvers<string[]>()
    const client = keep(clientOf(known.promise, { retry: { baseMs: 20, attempts: 4 }, outlier: false }))
    const sent = watchAttempts()
    const calls = ['a', 'b', 'c'].map((name) => storage.run(name, () => get(client, `/${name}`)))
    const refusing = await refusingAddress()
    storage.run('discovery', () => known.resolve([refusing, task?.label ?? '']))
    await Promise.all(calls)
    const again = storage.run('busy', () => get(client, '/busy', { idempotent: true }))
    let answers = 0
    if (task !== undefined)
      task.answer = (_request, response) =>
        void (answers++ === 0 ? response.writeHead(503).end() : response.end('at last'))
    expect(await again).toBe('at last')
    for (const { path, context } of sent) expect(`/${context}`).toBe(path)
  })

  test('beside another that is late', async () => {
    const manual = manualClock()
    // As timers of Node do, its timers keep the context.
    const setTimer: Clock['setTimer'] = (callback, delayMs) =>
      manual.setTimer(AsyncResource.bind(callback), delayMs)
    const clock: ManualClock = { ...manual, setTimer }
    const { client, tasks } = await opened(2, { clock, hedge: { minMs: 20, budget: { ratio: 1 } } })
    const delayMs = await storage.run('opener', () => learnHedging(client, clock))
    const isLate = Promise.withResolvers<void>()
    if (tasks[0] !== undefined) tasks[0].answer = () => isLate.resolve()
    const heard = listen('onehop:call.hedged')
    const sent = watchAttempts()
    const call = storage.run('caller', () => get(client, '/caller'))
    await isLate.promise
    await storage.run('mover', () => clock.advance(delayMs))
    await call
    expect(sent).toEqual([
      { path: '/caller', context: 'caller' },
      { path: '/caller', context: 'caller' },
    ])
    expect(heard).toEqual(['caller'])
  })
})

/** In which context an event was told. */
function listen(name: EventName): (string | undefined)[] {
  const heard: (string | undefined)[] = []
  onTestFinished(onEvent(name, () => void heard.push(storage.getStore())))
  return heard
}

describe("the caller's context is that of", () => {
  test('events of its call', async () => {
    const [balancer] = await servers(1)
    const { client, tasks } = await opened(2, {
      fallback: `http://${balancer?.label}`,
      retry: { attempts: 3 },
    })
    for (const task of tasks) task.answer = failing['a 503'] ?? task.answer
    const retried = listen('onehop:call.retried')
    const fellBack = listen('onehop:call.fell-back')
    expect(await storage.run('caller', () => get(client, '/'))).toBe(balancer?.label)
    expect([retried, fellBack]).toEqual([['caller', 'caller'], ['caller']])
  })

  test('the rule of retries, and the key of a balancer', async () => {
    const asked: unknown[] = []
    const balancer = consistentHash({
      key: () => {
        asked.push(['key', storage.getStore()])
        return undefined
      },
    })
    const on = (): undefined => void asked.push(['on', storage.getStore()])
    const { client, tasks } = await opened(2, { balancer, retry: { on } })
    for (const task of tasks) task.answer = failing['a 503'] ?? task.answer
    asked.length = 0
    await storage.run('caller', () => get(client, '/'))
    expect(asked.length).toBeGreaterThan(2)
    for (const [, context] of asked as [string, string][]) expect(context).toBe('caller')
  })

  test('the listeners of its traces, and what they bind to it holds in every attempt', async () => {
    const { client, tasks } = await opened(2)
    if (tasks[0] !== undefined) tasks[0].answer = failing['a reset'] ?? tasks[0].answer
    const spans = new AsyncLocalStorage<string>()
    const heard: unknown[] = []
    const sent: unknown[] = []
    const onCreate = (): void => void sent.push(spans.getStore())
    const listeners = (noun: string): object =>
      Object.fromEntries(
        ['start', 'end', 'asyncStart', 'asyncEnd', 'error'].map((name) => [
          name,
          () => void heard.push([noun, name, storage.getStore()]),
        ]),
      )
    const [ofCall, ofAttempt] = [listeners('call'), listeners('attempt')]
    tracing.call.start.bindStore(spans, () => 'span of the call')
    tracing.call.subscribe(ofCall)
    tracing.attempt.subscribe(ofAttempt)
    subscribe('undici:request:create', onCreate)
    onTestFinished(() => {
      tracing.call.start.unbindStore(spans)
      tracing.call.unsubscribe(ofCall)
      tracing.attempt.unsubscribe(ofAttempt)
      unsubscribe('undici:request:create', onCreate)
    })
    await storage.run('caller', () => get(client, '/'))
    expect(heard.length).toBeGreaterThan(10)
    for (const told of heard as string[][]) expect(told[2]).toBe('caller')
    expect(sent).toEqual(['span of the call', 'span of the call'])
  })

  test('the handler of a dispatch, whether its response is good, broken off or none', async () => {
    const { client, tasks } = await opened(2)
    const [first, second] = tasks
    if (first !== undefined) first.answer = failing['a reset'] ?? first.answer
    const seen: unknown[] = []
    const dispatched = (method: string): Promise<void> =>
      new Promise((resolve) => {
        const note = (name: string): void => void seen.push([name, storage.getStore()])
        client.dispatcher.dispatch(
          { origin: ORIGIN, path: '/', method, body: 'x' },
          {
            onRequestStart: () => note('start'),
            onBodySent: () => note('body sent'),
            onRequestSent: () => note('sent'),
            onResponseStarted: () => note('started'),
            onResponseStart: () => note('response'),
            onResponseData: () => note('data'),
            onResponseEnd: () => (note('end'), resolve()),
            onResponseError: () => (note('error'), resolve()),
          },
        )
      })
    await storage.run('good', () => dispatched('PUT'))
    if (second !== undefined)
      second.answer = (_request, response) => {
        response.writeHead(200, { 'content-length': 9 }).write('some')
        setTimeout(() => response.destroy(), 10)
      }
    await storage.run('broken', () => dispatched('PUT'))
    if (second !== undefined) second.answer = failing['a reset'] ?? second.answer
    await storage.run('none', () => dispatched('POST'))
    const names = (context: string): unknown[] => [
      ...new Set((seen as string[][]).filter(([, told]) => told === context).map(([name]) => name)),
    ]
    expect(names('good')).toEqual(
      expect.arrayContaining(['start', 'sent', 'started', 'response', 'data', 'end']),
    )
    expect(names('broken')).toEqual(expect.arrayContaining(['start', 'response', 'data', 'error']))
    expect(names('none')).toEqual(expect.arrayContaining(['start', 'error']))
    expect(
      (seen as string[][]).filter(([, told]) => !['good', 'broken', 'none'].includes(told ?? '')),
    ).toEqual([])
  })

  test('the handler of a request whose own headersTimeout is over, on a connection that another opened', async () => {
    const [task] = await servers(1)
    if (task === undefined) throw new Error('no task')
    task.answer = () => undefined
    const client = keep(clientOf([task], { retry: false, pool: { connections: 1, pipelining: 2 } }))
    const dispatched = (context: string): Promise<unknown> =>
      storage.run(
        context,
        () =>
          new Promise((resolve) => {
            client.dispatcher.dispatch(
              { origin: ORIGIN, path: '/', method: 'GET', headersTimeout: 50 },
              {
                ...silentHandler,
                onResponseError: (_controller, { name }) => resolve([name, storage.getStore()]),
              },
            )
          }),
      )
    // Both wait for the same connection.
    const seen = await Promise.all(['opener', 'caller'].map(dispatched))
    expect(seen).toEqual([
      ['HeadersTimeoutError', 'opener'],
      ['HeadersTimeoutError', 'caller'],
    ])
  })

  test('a streamed body that is read while the call has waited in a queue, again after a failure, and closed', async () => {
    const { client, tasks } = await opened(1, { pool: { connections: 1 } })
    const [task] = tasks
    const seen: string[] = []
    const saw = (): unknown => seen.push(storage.getStore() ?? 'none')
    async function* body(): AsyncGenerator<string> {
      try {
        saw()
        yield 'one'
        saw()
        await new Promise(setImmediate)
        yield 'two'
      } finally {
        saw()
      }
    }
    let failures = 1
    ;(task as TestServer).answer = (_request, response) =>
      void response.writeHead(failures-- > 0 ? 503 : 200).end()
    await Promise.all([
      storage.run('another', () => get(client, '/first')),
      storage.run('own', () => get(client, '/', { method: 'PUT', body: body() })),
    ])
    expect(seen).toEqual(['own', 'own', 'own'])
    // One that is closed before its end.
    ;(task as TestServer).answer = (_request, response) => void response.end()
    const busy = storage.run('another', () => get(client, '/first'))
    const controller = new AbortController()
    const aborted = storage.run('own', () =>
      get(client, '/', { method: 'PUT', body: body(), signal: controller.signal }),
    )
    await busy
    await expect.poll(() => seen.length).toBeGreaterThan(3)
    storage.run('another', () => controller.abort())
    await aborted.catch(() => undefined)
    expect(new Set(seen)).toEqual(new Set(['own']))
  })

  test('interceptors around it, and of event listeners to the body', async () => {
    const { client, tasks } = await opened(2)
    if (tasks[0] !== undefined) tasks[0].answer = failing['a 503'] ?? tasks[0].answer
    const contexts: unknown[] = []
    const composed = client.dispatcher.compose(interceptors.dump(), (dispatch) => (options, handler) => {
      contexts.push(storage.getStore())
      return dispatch(options, handler)
    })
    await storage.run('composed', async () =>
      (await composed.request({ origin: ORIGIN, path: '/', method: 'GET' })).body.dump(),
    )
    await storage.run('reader', async () => {
      const { body } = await client.request(ORIGIN)
      await new Promise<void>((resolve) => {
        body.on('data', () => contexts.push(storage.getStore()))
        body.on('end', () => (contexts.push(storage.getStore()), resolve()))
      })
    })
    expect(contexts).toEqual(['composed', 'reader', 'reader'])
  })

  test('the handler of a call that another ends by destroying the client, while it waits for discovery', async () => {
    const client = clientOf(new Promise<never>(() => undefined))
    let told: unknown
    storage.run('caller', () => {
      client.dispatcher.dispatch(
        { origin: ORIGIN, path: '/', method: 'GET' },
        { ...silentHandler, onResponseError: () => void (told = storage.getStore()) },
      )
    })
    await storage.run('closer', () => client.dispatcher.destroy())
    expect(told).toBe('caller')
  })

  test('the handler of a call whose body fails over HTTP/2, behind another in the queue', async () => {
    const held: (() => void)[] = []
    const task = keep(
      await WorldServer.start('h2', (request, response) => {
        request.resume()
        held.push(() => void response.end('ok'))
      }),
    )
    const pool = poolIn('h2', { connections: 1, h2Options: { maxConcurrentStreams: 1 } })
    const client = keep(clientOf([task.label], { pool }))
    const origin = originIn('h2')
    const first = storage.run('opener', () => client.request(origin))
    await expect.poll(() => held.length).toBe(1)
    async function* failingBody(): AsyncGenerator<string> {
      yield 'a'
      throw new Error('the body failed')
    }
    const told = storage.run(
      'caller',
      () =>
        new Promise((resolve) => {
          client.dispatcher.dispatch(
            { origin, path: '/', method: 'POST', body: failingBody() as never },
            {
              ...silentHandler,
              onResponseError: (_controller, { message }) => resolve([message, storage.getStore()]),
            },
          )
        }),
    )
    held[0]?.()
    await (await first).body.dump()
    expect(await told).toEqual(['the body failed', 'caller'])
  })
})

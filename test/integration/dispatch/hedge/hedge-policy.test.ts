import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client, ClientOptions, EventPayloads, OriginInspection } from 'onehop'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import type { TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()

const HEDGED: ClientOptions = {
  hedge: { minMs: 40, budget: { minPerSecond: 100 } },
  // Whoever is slow stays in the rotation: that is what these tests are about.
  outlier: false,
}

function inspected(client: Client): OriginInspection | undefined {
  return client.inspect().services['orders.shop.local']?.origins[ORIGIN]
}

/** One hedge for 100 calls. */
const SPARING: ClientOptions = { ...HEDGED, hedge: { minMs: 40, budget: { ratio: 0.01 } } }

async function get(client: Client, options: object = {}, path = '/'): Promise<string> {
  const { body } = await client.request(`${ORIGIN}${path}`, options)
  return body.text()
}

/** Enough calls for the client to know how long they take; then the task whose turn it is not answers as told. */
async function warmedUp(
  count: number,
  options: ClientOptions = HEDGED,
): Promise<{ client: Client; tasks: TestServer[] }> {
  const tasks = await servers(count)
  const client = keep(clientOf(tasks, options))
  // A multiple of the tasks: the first of them is next.
  for (let call = 0; call < 120; call++) await get(client)
  for (const task of tasks) task.seen.length = 0
  await expect.poll(() => inspected(client)?.hedging?.delayMs).toBeGreaterThan(0)
  return { client, tasks }
}

const hangs: TestServer['answer'] = () => undefined

function listen(name: keyof EventPayloads): unknown[] {
  const heard: unknown[] = []
  const listener = (event: unknown): void => void heard.push(event)
  subscribe(name, listener)
  keep({ [Symbol.asyncDispose]: () => Promise.resolve(void unsubscribe(name, listener)) })
  return heard
}

test('late calls for which all tasks are full use up no budget', async () => {
  const { client, tasks } = await warmedUp(2, { ...HEDGED, maxPending: { perTask: 2 } })
  for (const task of tasks) task.answer = hangs
  const calls = Array.from({ length: 4 }, () => get(client).catch((error: Error) => error))
  const before = inspected(client)
  // Several times as long as after which each asks for a hedge.
  await delay(600)
  const after = inspected(client)
  expect(after?.upstreams.map(({ pending }) => pending)).toEqual([2, 2])
  expect(after?.hedging?.begun).toBe(before?.hedging?.begun)
  expect(after?.retryBudget).toBe(before?.retryBudget)
  await client.dispatcher.destroy()
  await Promise.all(calls)
})

describe('a hedged call', () => {
  test('is answered by another task while the first hangs, and the first attempt is cancelled', async () => {
    const { client, tasks } = await warmedUp(3)
    const hedges = listen('onehop:call.hedged')
    const left = Promise.withResolvers<void>()
    if (tasks[0] !== undefined)
      tasks[0].answer = (_request, response) => void response.on('close', () => left.resolve())
    expect(await get(client)).toBe(tasks[1]?.label)
    await left.promise
    expect(hedges).toEqual([
      {
        host: 'orders.shop.local',
        method: 'GET',
        attempt: 1,
        upstream: tasks[0]?.label,
        beside: tasks[1]?.label,
        afterMs: inspected(client)?.hedging?.delayMs,
      },
    ])
    const { upstreams = [], hedging } = inspected(client) ?? {}
    expect(upstreams.map(({ pending, failures }) => ({ pending, failures }))).toEqual(
      Array.from({ length: 3 }, () => ({ pending: 0, failures: 0 })),
    )
    expect(hedging).toMatchObject({ begun: 1, won: 1 })
    // What it took before it was given up is known of it.
    const [late, quick] = upstreams
    expect(late?.latencyMs).toBeGreaterThan(quick?.latencyMs ?? Number.POSITIVE_INFINITY)
  })

  test('is answered by the first task, if that is first after all', async () => {
    const { client, tasks } = await warmedUp(2)
    const [first, second] = tasks
    const arrived = Promise.withResolvers<void>()
    if (first !== undefined)
      first.answer = (_request, response) => void arrived.promise.then(() => response.end('the first'))
    if (second !== undefined) second.answer = () => arrived.resolve()
    expect(await get(client)).toBe('the first')
    expect(inspected(client)?.hedging).toMatchObject({ begun: 1, won: 0 })
    expect(inspected(client)?.upstreams.map(({ pending }) => pending)).toEqual([0, 0])
  })

  test('waits for the other attempt when one fails, in whatever way', async () => {
    for (const fail of ['503', 'reset'] as const) {
      const { client, tasks } = await warmedUp(2)
      const [first, second] = tasks
      const failed = Promise.withResolvers<void>()
      if (first !== undefined)
        first.answer = (_request, response) =>
          void failed.promise.then(() => setTimeout(() => response.end('the first'), 20))
      if (second !== undefined)
        second.answer = (request, response) => {
          if (fail === 'reset') request.socket.destroy()
          else response.writeHead(503).end()
          failed.resolve()
        }
      expect(await get(client)).toBe('the first')
      expect(inspected(client)?.upstreams.map(({ pending }) => pending)).toEqual([0, 0])
    }
  })

  test('goes on to a third task when both have failed', async () => {
    const { client, tasks } = await warmedUp(3)
    const [first, second, third] = tasks
    const arrived = Promise.withResolvers<void>()
    if (first !== undefined)
      first.answer = (_request, response) =>
        void arrived.promise.then(() => setTimeout(() => response.writeHead(503).end(), 20))
    if (second !== undefined)
      second.answer = (_request, response) => {
        response.writeHead(503).end()
        arrived.resolve()
      }
    expect(await get(client)).toBe(third?.label)
  })

  test('fails with both attempts in its error when no more are allowed', async () => {
    const { client, tasks } = await warmedUp(2, { ...HEDGED, retry: { attempts: 2 } })
    const [first, second] = tasks
    const arrived = Promise.withResolvers<void>()
    if (first !== undefined)
      first.answer = (request) =>
        void arrived.promise.then(() => setTimeout(() => request.socket.destroy(), 20))
    if (second !== undefined)
      second.answer = (request) => {
        request.socket.destroy()
        arrived.resolve()
      }
    const error = await get(client).catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ONEHOP_ATTEMPTS_EXHAUSTED' })
    expect((error as { attempts: { upstream: string }[] }).attempts.map(({ upstream }) => upstream)).toEqual([
      second?.label,
      first?.label,
    ])
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('hands on at once an answer that would not be retried', async () => {
    const { client, tasks } = await warmedUp(2)
    if (tasks[0] !== undefined) tasks[0].answer = hangs
    if (tasks[1] !== undefined)
      tasks[1].answer = (_request, response) => void response.writeHead(404).end('no such order')
    const { statusCode, body } = await client.request(ORIGIN)
    expect([statusCode, await body.text()]).toEqual([404, 'no such order'])
  })

  test('has a second attempt also with retries off', async () => {
    const { client, tasks } = await warmedUp(2, { ...HEDGED, retry: false })
    if (tasks[0] !== undefined) tasks[0].answer = hangs
    expect(await get(client)).toBe(tasks[1]?.label)
  })

  test('ends both attempts when its caller leaves, and when its deadline is over', async () => {
    const { client, tasks } = await warmedUp(2)
    for (const task of tasks) task.answer = hangs
    const abort = new AbortController()
    const call = get(client, { signal: abort.signal })
    await expect.poll(() => tasks.map(({ seen }) => seen.length)).toEqual([1, 1])
    abort.abort(new Error('the caller left'))
    await expect(call).rejects.toThrow('the caller left')
    expect(inspected(client)?.upstreams.map(({ pending }) => pending)).toEqual([0, 0])

    await expect(get(client, { deadlineMs: 200 })).rejects.toMatchObject({
      code: 'ONEHOP_DEADLINE_EXCEEDED',
      message: expect.stringContaining('2 attempts') as string,
    })
    expect(inspected(client)?.upstreams.map(({ pending }) => pending)).toEqual([0, 0])
    await expect.poll(() => tasks.map(({ sockets }) => sockets.size)).toEqual([0, 0])
  })

  test('that hangs while the budget is spent has its second attempt as soon as there is one', async () => {
    const { client, tasks } = await warmedUp(2, SPARING)
    const [first, second] = tasks
    if (first !== undefined)
      first.answer = (request, response) => {
        if (request.url !== '/report') response.end(first.label)
      }
    expect(await get(client, {}, '/report')).toBe(second?.label)
    // The second is next.
    await get(client)
    const hanging = get(client, {}, '/report')
    await expect.poll(() => first?.seen.filter(({ url }) => url === '/report').length).toBe(2)
    // Well after the time at which it would have had it.
    await new Promise((resolve) => setTimeout(resolve, 150))
    expect(inspected(client)?.hedging?.begun).toBe(1)
    for (let call = 0; call < 100; call++) await get(client)
    expect(await hanging).toBe(second?.label)
  })

  test('has its body sent whole by both attempts', async () => {
    const { client, tasks } = await warmedUp(2)
    if (tasks[0] !== undefined) tasks[0].answer = hangs
    const body = (): Readable => Readable.from([Buffer.from('a whole '), Buffer.from('order')])
    expect(await get(client, { method: 'PUT', body: body() })).toBe(tasks[1]?.label)
    expect(tasks.map(({ seen }) => seen.map((request) => request.body))).toEqual([
      ['a whole order'],
      ['a whole order'],
    ])
  })
})

describe('a call is not hedged', () => {
  async function unhedged(options: object, settings: ClientOptions = HEDGED): Promise<void> {
    const { client, tasks } = await warmedUp(2, settings)
    const [first] = tasks
    // Well after the time of a hedge.
    if (first !== undefined)
      first.answer = (_request, response) => void setTimeout(() => response.end('the first'), 200)
    expect(await get(client, options)).toBe('the first')
    expect(inspected(client)?.hedging?.begun ?? 0).toBe(0)
    expect(tasks[1]?.seen).toHaveLength(0)
  }

  test('when it must not be sent twice', () => unhedged({ method: 'POST', body: 'pay' }))
  test('when its idempotency key says nothing', () =>
    unhedged({ method: 'POST', body: 'pay', headers: { 'Idempotency-Key': '' } }))
  test('when it says so', () => unhedged({ hedge: false }))
  test('when neither budget has anything left', () =>
    unhedged({}, { ...HEDGED, retry: { budget: { ratio: 0, minPerSecond: 0 } } }))
  test('while its body is still being sent', async () => {
    const { client, tasks } = await warmedUp(2)
    const body = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('a ')
      await new Promise((resolve) => setTimeout(resolve, 200))
      yield Buffer.from('slow order')
    }
    const answer = get(client, { method: 'PUT', body: Readable.from(body()) })
    expect(await answer).toBe(tasks[0]?.label)
    expect(tasks[1]?.seen).toHaveLength(0)
  })

  test('with its own budget spent', async () => {
    const { client, tasks } = await warmedUp(2, SPARING)
    // 1 % of 120 is one, and 1 % of 3 is none.
    if (tasks[0] !== undefined) tasks[0].answer = hangs
    expect(await get(client)).toBe(tasks[1]?.label)
    for (const task of tasks)
      task.answer = (_request, response) => void setTimeout(() => response.end(task.label), 150)
    for (let call = 0; call < 3; call++) await get(client)
    expect(inspected(client)?.hedging?.begun).toBe(1)
  })

  test('before anything is known of how long calls take', async () => {
    const tasks = await servers(2)
    const client = keep(clientOf(tasks, HEDGED))
    for (let call = 0; call < 90; call++) await get(client)
    expect(inspected(client)?.hedging).toEqual({ delayMs: undefined, share: 0, begun: 0, won: 0 })
  })

  test('without another task', async () => {
    const { client, tasks } = await warmedUp(1)
    const [only] = tasks
    if (only !== undefined)
      only.answer = (_request, response) => void setTimeout(() => response.end('late'), 200)
    expect(await get(client)).toBe('late')
    expect(only?.seen).toHaveLength(1)
  })
})

test('a second attempt that is refused leaves room for a third', async () => {
  const { client, tasks } = await warmedUp(3)
  const hedges = listen('onehop:call.hedged')
  const [first, second, third] = tasks
  if (first !== undefined) first.answer = hangs
  const labels = [second?.label, third?.label]
  await second?.kill()
  expect(await get(client)).toBe(third?.label)
  expect(hedges.map((hedge) => (hedge as EventPayloads['onehop:call.hedged']).beside)).toEqual(labels)
})

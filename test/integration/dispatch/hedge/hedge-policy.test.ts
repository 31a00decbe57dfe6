/** Hedges over real connections. The client's clock moves only where a test says so: none but those calls are slow. */
import { Readable } from 'node:stream'
import type { Client, ClientOptions, UpstreamInspection } from 'onehop'
import { manualClock, type ManualClock } from 'onehop/testing'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { eventsOf } from '../../../support/events.ts'
import { hedgingOf, learnHedging } from '../../../support/hedging.ts'
import { resources } from '../../../support/resources.ts'
import type { TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()

const HEDGED: ClientOptions = {
  hedge: { minMs: 40, budget: { minPerSecond: 100 } },
  // A slow task stays in the rotation: that is what these tests are about.
  outlier: false,
}

/** One hedge for 100 calls. */
const SPARING: ClientOptions = { ...HEDGED, hedge: { minMs: 40, budget: { ratio: 0.01 } } }

/** Several times as long as after which a call asks for a hedge. */
const LONG_MS = 600

function upstreams(client: Client): readonly UpstreamInspection[] {
  return client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams ?? []
}

function pending(client: Client): number[] {
  return upstreams(client).map((upstream) => upstream.pending)
}

async function get(client: Client, options: object = {}, path = '/'): Promise<string> {
  const { body } = await client.request(`${ORIGIN}${path}`, options)
  return body.text()
}

interface Warm {
  readonly client: Client
  readonly clock: ManualClock
  readonly tasks: TestServer[]
  /** After how many ms a call is slow. */
  readonly delayMs: number
  /** A call whose first attempt has come to a task, and is slow now. */
  slow(options?: object, path?: string): Promise<{ readonly answer: Promise<string> }>
}

/** A client that hedges; its first task is next. */
async function warmedUp(count: number, options: ClientOptions = HEDGED): Promise<Warm> {
  const tasks = await servers(count)
  const clock = manualClock()
  const client = keep(clientOf(tasks, { ...options, clock }))
  const delayMs = await learnHedging(client, clock)
  for (const task of tasks) task.seen.length = 0
  const slow: Warm['slow'] = async (init, path) => {
    const before = seenBy(tasks)
    const answer = get(client, init, path)
    // What it rejects with is the test's to see.
    answer.catch(() => undefined)
    await expect.poll(() => seenBy(tasks)).toBe(before + 1)
    await clock.advance(delayMs)
    return { answer }
  }
  return { client, clock, tasks, delayMs, slow }
}

function seenBy(tasks: readonly TestServer[]): number {
  return tasks.reduce((sum, { seen }) => sum + seen.length, 0)
}

const hangs: TestServer['answer'] = () => undefined

/** Has a task keep its answers until the test gives them. @returns gives what it keeps */
function held(task: TestServer | undefined, text = task?.label): () => void {
  const answers: (() => void)[] = []
  if (task !== undefined) task.answer = (_request, response) => void answers.push(() => response.end(text))
  return () => {
    for (const answer of answers.splice(0)) answer()
  }
}

test('late calls for which all tasks are full use up no budget', async () => {
  const { client, clock, tasks } = await warmedUp(2, { ...HEDGED, maxPending: { perTask: 2 } })
  for (const task of tasks) task.answer = hangs
  const calls = Array.from({ length: 4 }, () => get(client).catch((error: Error) => error))
  await expect.poll(() => seenBy(tasks)).toBe(4)
  const before = client.inspect().services['orders.shop.local']?.origins[ORIGIN]
  await clock.advance(LONG_MS)
  const after = client.inspect().services['orders.shop.local']?.origins[ORIGIN]
  expect(pending(client)).toEqual([2, 2])
  expect(after?.hedging?.begun).toBe(before?.hedging?.begun)
  expect(after?.retryBudget).toBe(before?.retryBudget)
  await client.dispatcher.destroy()
  await Promise.all(calls)
})

describe('a hedged call', () => {
  test('is answered by another task while the first hangs, and the first attempt is cancelled', async () => {
    const { client, clock, tasks, delayMs } = await warmedUp(3)
    const hedges = eventsOf('onehop:call.hedged')
    const left = Promise.withResolvers<void>()
    if (tasks[0] !== undefined)
      tasks[0].answer = (_request, response) => void response.on('close', () => left.resolve())
    const answer = get(client)
    await expect.poll(() => tasks[0]?.seen.length).toBe(1)
    await clock.advance(delayMs - 1)
    expect(hedges).toEqual([])
    await clock.advance(1)
    expect(await answer).toBe(tasks[1]?.label)
    await left.promise
    expect(hedges).toEqual([
      {
        host: 'orders.shop.local',
        method: 'GET',
        attempt: 1,
        upstream: tasks[0]?.label,
        beside: tasks[1]?.label,
        afterMs: delayMs,
      },
    ])
    expect(upstreams(client).map(({ pending: under, failures }) => ({ under, failures }))).toEqual(
      Array.from({ length: 3 }, () => ({ under: 0, failures: 0 })),
    )
    expect(hedgingOf(client)).toMatchObject({ begun: 1, won: 1 })
    // The time until it was cancelled counts as the first task's.
    expect(upstreams(client).map(({ latencyMs }) => latencyMs)).toEqual([delayMs, 0, 0])
  })

  test('is answered by the first task, if that is first after all', async () => {
    const { client, tasks, slow } = await warmedUp(2)
    const [first, second] = tasks
    const arrived = Promise.withResolvers<void>()
    if (first !== undefined)
      first.answer = (_request, response) => void arrived.promise.then(() => response.end('the first'))
    if (second !== undefined) second.answer = () => arrived.resolve()
    expect(await (await slow()).answer).toBe('the first')
    expect(hedgingOf(client)).toMatchObject({ begun: 1, won: 0 })
    expect(pending(client)).toEqual([0, 0])
  })

  const failing: [string, TestServer['answer']][] = [
    ['503', (_request, response) => void response.writeHead(503).end()],
    ['reset', (request) => void request.socket.destroy()],
  ]

  test.each(failing)('waits for the other attempt when one fails (%s)', async (_how, fails) => {
    const { client, tasks, slow } = await warmedUp(2)
    const [first, second] = tasks
    const answerFirst = held(first, 'the first')
    if (second !== undefined) second.answer = fails
    const { answer } = await slow()
    await expect.poll(() => pending(client)).toEqual([1, 0])
    answerFirst()
    expect(await answer).toBe('the first')
    expect(pending(client)).toEqual([0, 0])
  })

  test.each(failing)('goes on to a third task when both have failed (%s)', async (_how, fails) => {
    const { client, tasks, slow } = await warmedUp(3, { ...HEDGED, retry: { baseMs: 0 } })
    const [first, second, third] = tasks
    const secondFailed = Promise.withResolvers<void>()
    if (first !== undefined)
      first.answer = (...given) => void secondFailed.promise.then(() => fails(...given))
    if (second !== undefined) second.answer = fails
    const { answer } = await slow()
    await expect.poll(() => pending(client)).toEqual([1, 0, 0])
    secondFailed.resolve()
    expect(await answer).toBe(third?.label)
  })

  test('fails with both attempts in its error when no more are allowed', async () => {
    const { client, tasks, slow } = await warmedUp(2, { ...HEDGED, retry: { attempts: 2 } })
    const [first, second] = tasks
    const secondFailed = Promise.withResolvers<void>()
    if (first !== undefined)
      first.answer = (request) => void secondFailed.promise.then(() => request.socket.destroy())
    if (second !== undefined) second.answer = (request) => void request.socket.destroy()
    const { answer } = await slow()
    await expect.poll(() => pending(client)).toEqual([1, 0])
    secondFailed.resolve()
    const error = await answer.catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ONEHOP_ATTEMPTS_EXHAUSTED' })
    expect((error as { attempts: { upstream: string }[] }).attempts.map(({ upstream }) => upstream)).toEqual([
      second?.label,
      first?.label,
    ])
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('hands on at once an answer that would not be retried', async () => {
    const { client, clock, tasks, delayMs } = await warmedUp(2)
    if (tasks[0] !== undefined) tasks[0].answer = hangs
    if (tasks[1] !== undefined)
      tasks[1].answer = (_request, response) => void response.writeHead(404).end('no such order')
    const call = client.request(ORIGIN)
    await expect.poll(() => tasks[0]?.seen.length).toBe(1)
    await clock.advance(delayMs)
    const { statusCode, body } = await call
    expect([statusCode, await body.text()]).toEqual([404, 'no such order'])
  })

  test('has a second attempt also with retries off', async () => {
    const { tasks, slow } = await warmedUp(2, { ...HEDGED, retry: false })
    if (tasks[0] !== undefined) tasks[0].answer = hangs
    expect(await (await slow()).answer).toBe(tasks[1]?.label)
  })

  test('ends both attempts when its caller leaves, and when its deadline is over', async () => {
    const { client, clock, tasks, delayMs, slow } = await warmedUp(2)
    for (const task of tasks) task.answer = hangs
    const abort = new AbortController()
    const { answer: left } = await slow({ signal: abort.signal })
    await expect.poll(() => tasks.map(({ seen }) => seen.length)).toEqual([1, 1])
    abort.abort(new Error('the caller left'))
    await expect(left).rejects.toThrow('the caller left')
    expect(pending(client)).toEqual([0, 0])

    const { answer: late } = await slow({ deadlineMs: 200 })
    await expect.poll(() => tasks.map(({ seen }) => seen.length)).toEqual([2, 2])
    await clock.advance(200 - delayMs)
    await expect(late).rejects.toMatchObject({
      code: 'ONEHOP_DEADLINE_EXCEEDED',
      message: expect.stringContaining('2 attempts') as string,
    })
    expect(pending(client)).toEqual([0, 0])
    await expect.poll(() => tasks.map(({ sockets }) => sockets.size)).toEqual([0, 0])
  })

  test('that hangs while the budget is spent has its second attempt as soon as there is one', async () => {
    const { client, clock, tasks, slow } = await warmedUp(2, SPARING)
    const [first, second] = tasks
    if (first !== undefined)
      first.answer = (request, response) => {
        if (request.url !== '/report') response.end(first.label)
      }
    expect(await (await slow({}, '/report')).answer).toBe(second?.label)
    // The second is next.
    await get(client)
    const { answer } = await slow({}, '/report')
    await clock.advance(LONG_MS)
    expect(hedgingOf(client)?.begun).toBe(1)
    for (let call = 0; call < 100; call++) await get(client)
    // It asks again after twice the time, each time.
    await clock.advance(2 * LONG_MS)
    expect(await answer).toBe(second?.label)
  })

  test('has its body sent whole by both attempts', async () => {
    const { tasks, slow } = await warmedUp(2)
    if (tasks[0] !== undefined) tasks[0].answer = hangs
    const body = Readable.from([Buffer.from('a whole '), Buffer.from('order')])
    expect(await (await slow({ method: 'PUT', body })).answer).toBe(tasks[1]?.label)
    expect(tasks.map(({ seen }) => seen.map((request) => request.body))).toEqual([
      ['a whole order'],
      ['a whole order'],
    ])
  })
})

describe('a call is not hedged', () => {
  async function unhedged(options: object, settings: ClientOptions = HEDGED): Promise<void> {
    const { client, clock, tasks, slow } = await warmedUp(2, settings)
    const answerFirst = held(tasks[0], 'the first')
    const { answer } = await slow(options)
    await clock.advance(LONG_MS)
    expect(hedgingOf(client)?.begun).toBe(0)
    answerFirst()
    expect(await answer).toBe('the first')
    expect(tasks[1]?.seen).toHaveLength(0)
  }

  test('when it must not be sent twice', () => unhedged({ method: 'POST', body: 'pay' }))
  test('when its idempotency key says nothing', () =>
    unhedged({ method: 'POST', body: 'pay', headers: { 'Idempotency-Key': '' } }))
  test('when it says so', () => unhedged({ hedge: false }))
  test('when neither budget has anything left', () =>
    unhedged({}, { ...HEDGED, retry: { budget: { ratio: 0, minPerSecond: 0 } } }))
  test('while its body is still being sent', async () => {
    const { client, clock, tasks } = await warmedUp(2)
    const [first, second] = tasks
    const isLong = Promise.withResolvers<void>()
    const body = async function* (): AsyncGenerator<Buffer> {
      yield Buffer.from('a ')
      await isLong.promise
      yield Buffer.from('slow order')
    }
    const arrived = new Promise((resolve) => first?.server.once('request', resolve))
    const answer = get(client, { method: 'PUT', body: Readable.from(body()) })
    await arrived
    await clock.advance(LONG_MS)
    isLong.resolve()
    expect(await answer).toBe(first?.label)
    expect(second?.seen).toHaveLength(0)
  })

  test('with its own budget spent', async () => {
    const { client, tasks, slow } = await warmedUp(2, SPARING)
    // 1 % of 120 is one, and 1 % of 3 is none.
    if (tasks[0] !== undefined) tasks[0].answer = hangs
    expect(await (await slow()).answer).toBe(tasks[1]?.label)
    const answers = tasks.map((task) => held(task))
    for (let call = 0; call < 3; call++) {
      const { answer } = await slow()
      for (const give of answers) give()
      await answer
    }
    expect(hedgingOf(client)?.begun).toBe(1)
  })

  test('before anything is known of how long calls take', async () => {
    const tasks = await servers(2)
    const clock = manualClock()
    const client = keep(clientOf(tasks, { ...HEDGED, clock }))
    for (let call = 0; call < 90; call++) await get(client)
    await clock.advance(LONG_MS)
    expect(hedgingOf(client)).toEqual({ delayMs: undefined, share: 0, begun: 0, won: 0 })
  })

  test('without another task', async () => {
    const { clock, tasks, slow } = await warmedUp(1)
    const answerIt = held(tasks[0], 'late')
    const { answer } = await slow()
    await clock.advance(LONG_MS)
    answerIt()
    expect(await answer).toBe('late')
    expect(tasks[0]?.seen).toHaveLength(1)
  })
})

test('a second attempt that is refused leaves room for a third', async () => {
  const { client, clock, tasks, delayMs, slow } = await warmedUp(3)
  const hedges = eventsOf('onehop:call.hedged')
  const [first, second, third] = tasks
  if (first !== undefined) first.answer = hangs
  const labels = [second?.label, third?.label]
  await second?.kill()
  const { answer } = await slow()
  await expect.poll(() => upstreams(client)[1]?.state).toBe('ejected')
  await clock.advance(delayMs)
  expect(await answer).toBe(third?.label)
  expect(hedges.map(({ beside }) => beside)).toEqual(labels)
})

import { onEvent, OverloadedError, type Client, type ClientOptions } from 'onehop'
import { manualClock } from 'onehop/testing'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { resources } from '../../support/resources.ts'
import type { TestServer } from '../../support/servers.ts'

const { keep, servers } = resources()

/** Tasks that answer when they are told to. */
async function holding(count: number): Promise<{ tasks: TestServer[]; release(): void; held(): number }> {
  const waiting: (() => void)[] = []
  const tasks = await servers(count, (_request, response) => void waiting.push(() => response.end('ok')))
  return {
    tasks,
    held: () => waiting.length,
    release: () => {
      for (const answer of waiting.splice(0)) answer()
    },
  }
}

async function get(client: Client): Promise<string> {
  const { body } = await client.request(ORIGIN)
  return body.text()
}

describe('maxPending.perOrigin', () => {
  test('refuses at once what exceeds it, sends nothing, and takes calls again when others have ended', async () => {
    const { tasks, release, held } = await holding(1)
    const client = keep(clientOf(tasks, { maxPending: { perOrigin: 2 } }))
    const calls = [get(client), get(client)]
    const error: unknown = await get(client).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(OverloadedError)
    expect(error).toMatchObject({
      code: 'ONEHOP_OVERLOADED',
      message:
        '[ONEHOP_OVERLOADED] orders.shop.local: as many calls are under way as maxPending.perOrigin allows (2)',
    })
    await expect.poll(held).toBe(2)
    release()
    expect(await Promise.all(calls)).toEqual(['ok', 'ok'])
    const again = get(client)
    await expect.poll(held).toBe(1)
    release()
    expect(await again).toBe('ok')
    expect(tasks[0]?.seen).toHaveLength(3)
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('counts calls that wait for discovery', async () => {
    const client = keep(clientOf(new Promise(() => undefined), { maxPending: { perOrigin: 1 } }))
    const waiting = get(client).catch((reason: unknown) => reason)
    await expect(get(client)).rejects.toBeInstanceOf(OverloadedError)
    await client.close()
    expect(await waiting).toMatchObject({ code: 'ONEHOP_CLOSED' })
  })
})

describe('maxPending.perTask', () => {
  test('sends what exceeds it to other tasks, and refuses what exceeds all', async () => {
    const { tasks, release, held } = await holding(3)
    const client = keep(clientOf(tasks, { maxPending: { perTask: 1 } }))
    const calls = [get(client), get(client), get(client)]
    await expect.poll(held).toBe(3)
    expect(tasks.map(({ seen }) => seen.length)).toEqual([1, 1, 1])
    await expect(get(client)).rejects.toThrow(
      '[ONEHOP_OVERLOADED] orders.shop.local: all endpoints that can take calls have as many as maxPending.perTask allows (1); no fallback configured',
    )
    release()
    await Promise.all(calls)
    const upstreams = client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams ?? []
    expect(upstreams.map(({ state, pending, failures }) => ({ state, pending, failures }))).toEqual(
      Array.from({ length: 3 }, () => ({ state: 'available', pending: 0, failures: 0 })),
    )
  })

  test('sends to the load balancer what exceeds all tasks', async () => {
    const { tasks, release, held } = await holding(1)
    const [balancer] = await servers(1)
    const client = keep(
      clientOf(tasks, { maxPending: { perTask: 2 }, fallback: `http://${balancer?.label}` }),
    )
    const calls = [get(client), get(client)]
    await expect.poll(held).toBe(2)
    for (let i = 0; i < 5; i++) expect(await get(client)).toBe(balancer?.label)
    release()
    await Promise.all(calls)
    expect(balancer?.seen).toHaveLength(5)
  })
})

describe('a retry has a place before the response at hand is given away', () => {
  /** Of two tasks the second is full of long calls; what the first answers is the test's to say. */
  async function withOneFull(
    perTask: number,
    answer: TestServer['answer'],
    options: ClientOptions = {},
  ): Promise<{ client: Client; first: TestServer; second: TestServer; times: number[] }> {
    const times: number[] = []
    const [first, second] = (await servers(2)) as [TestServer, TestServer]
    first.answer = (request, response, seen) => {
      times.push(performance.now())
      answer(request, response, seen)
    }
    second.answer = () => undefined
    let target = second
    const client = keep(
      clientOf([first, second], {
        maxPending: { perTask },
        balancer: { pick: (tasks) => tasks.find(({ label }) => label === target.label) ?? tasks[0] },
        ...options,
      }),
    )
    // The long calls end first, or closing the client would wait for them.
    keep({ [Symbol.asyncDispose]: () => client.dispatcher.destroy() })
    for (let call = 0; call < perTask; call++) void get(client).catch(() => undefined)
    await expect.poll(() => second.seen.length).toBe(perTask)
    target = first
    return { client, first, second, times }
  }

  const unavailable =
    (status: number): TestServer['answer'] =>
    (_request, response) =>
      void response.writeHead(status, { 'retry-after': '3' }).end('later')

  const RETRY = { maxRetryAfterMs: 80 }

  test.each([1, 2])("a 429 is the caller's where all others are full, perTask %i", async (perTask) => {
    const { client, times } = await withOneFull(perTask, unavailable(429))
    const { statusCode, headers, body } = await client.request(ORIGIN, { method: 'POST', body: 'x' })
    expect(statusCode).toBe(429)
    expect(headers['retry-after']).toBe('3')
    expect(await body.text()).toBe('later')
    expect(times).toHaveLength(1)
  })

  test.each([1, 2])('a 503 is asked again after its Retry-After, perTask %i', async (perTask) => {
    const { client, times } = await withOneFull(perTask, unavailable(503), { retry: RETRY })
    const { statusCode, body } = await client.request(ORIGIN)
    expect(statusCode).toBe(503)
    expect(await body.text()).toBe('later')
    expect(times).toHaveLength(3)
    for (const [index, time] of times.slice(1).entries())
      expect(time - (times[index] ?? 0)).toBeGreaterThanOrEqual(79)
  })

  test('no other call gets the place while the retry waits, and an abort frees it', async () => {
    const clock = manualClock()
    const { client, first, times } = await withOneFull(1, unavailable(503), { clock })
    const pending = (): number | undefined =>
      client
        .inspect()
        .services['orders.shop.local']?.origins[ORIGIN]?.upstreams.find(
          ({ upstream }) => upstream === first.label,
        )?.pending
    const leaving = new AbortController()
    const call = client.request(ORIGIN, { signal: leaving.signal }).catch((error: unknown) => error)
    await expect.poll(() => times.length).toBe(1)
    await expect.poll(pending).toBe(1)
    await expect(get(client)).rejects.toBeInstanceOf(OverloadedError)
    leaving.abort()
    expect(await call).toMatchObject({ name: 'AbortError' })
    expect(pending()).toBe(0)
    first.answer = (_request, response) => void response.end('ok')
    expect(await get(client)).toBe('ok')
  })

  test('a listener that ends the call leaves no place taken', async () => {
    const { client, first } = await withOneFull(1, unavailable(503))
    const leaving = new AbortController()
    keep({ [Symbol.asyncDispose]: () => Promise.resolve(stop()) })
    const stop = onEvent('onehop:call.retried', () => leaving.abort())
    const call = client.request(ORIGIN, { signal: leaving.signal }).catch((error: unknown) => error)
    expect(await call).toMatchObject({ name: 'AbortError' })
    first.answer = (_request, response) => void response.end('ok')
    expect(await get(client)).toBe('ok')
  })

  test('the caller gets the error itself, not a refusal', async () => {
    const { client, first } = await withOneFull(1, (request) => void request.socket.destroy())
    const error: unknown = await client
      .request(ORIGIN, { method: 'POST', body: 'x', idempotent: true })
      .catch((reason: unknown) => reason)
    expect(error).toMatchObject({ code: 'ONEHOP_ATTEMPTS_EXHAUSTED' })
    expect(first.seen.length).toBeGreaterThan(0)
  })

  test('a 503 whose Retry-After ends after the deadline is returned at once', async () => {
    const [task] = (await servers(1)) as [TestServer]
    task.answer = unavailable(503)
    // No time passes: it does not wait.
    const client = keep(clientOf([task], { clock: manualClock() }))
    const { statusCode, body } = await client.request(ORIGIN, { deadlineMs: 2_000 })
    expect(statusCode).toBe(503)
    expect(await body.text()).toBe('later')
    expect(task.seen).toHaveLength(1)
  })

  test('the Retry-After of a task is kept after another has failed, too', async () => {
    const [first, second] = (await servers(2)) as [TestServer, TestServer]
    const times: number[] = []
    first.answer = (_request, response) => {
      times.push(performance.now())
      response.writeHead(503, { 'retry-after': '3' }).end()
    }
    second.answer = (_request, response) => void response.writeHead(503).end()
    const client = keep(
      clientOf([first, second], {
        retry: { ...RETRY, baseMs: 1, maxDelayMs: 1 },
        balancer: { pick: (tasks) => tasks.find(({ label }) => label === first.label) ?? tasks[0] },
      }),
    )
    expect((await client.request(ORIGIN)).statusCode).toBe(503)
    expect(second.seen).toHaveLength(1)
    expect(times).toHaveLength(2)
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(79)
  })
})

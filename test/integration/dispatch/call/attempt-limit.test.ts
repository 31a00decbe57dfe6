/** `attemptMs`: from when a request has its connection to its response headers, at any value, in every way of speaking. */
import { Readable } from 'node:stream'
import type { Client } from 'onehop'
import { manualClock } from 'onehop/testing'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import {
  originIn,
  poolIn,
  WorldServer,
  WORLDS,
  type World,
  type WorldAnswer,
} from '../../../support/transports/worlds.ts'

const { keep } = resources()

/** On both sides of what undici's own timers would have been trusted with. */
const LIMITS = [1_000, 4_999, 5_000, 20_000]

const cases = WORLDS.flatMap((world) => LIMITS.map((attemptMs) => [world, attemptMs] as const))

interface Begun {
  readonly client: Client
  readonly clock: ReturnType<typeof manualClock>
  readonly server: WorldServer
}

async function begin(world: World, attemptMs: number, answer: WorldAnswer): Promise<Begun> {
  const server = keep(await WorldServer.start(world, answer))
  const clock = manualClock(1_000)
  const client = keep(
    clientOf([server.label], { clock, pool: poolIn(world), retry: false, timeouts: { attemptMs } }),
  )
  return { client, clock, server }
}

/** Expects that a call ends when its time is over, and not a millisecond before. */
async function endsAt(limitMs: number, { client, clock }: Begun, call: Promise<unknown>): Promise<void> {
  let ended: unknown
  const end = call.catch((error: unknown) => (ended = error))
  await clock.advance(limitMs - 1)
  expect(ended).toBeUndefined()
  expect(client.inspect().callsUnderWay).toBe(1)
  await clock.advance(1)
  expect(await end).toMatchObject({ name: 'HeadersTimeoutError', code: 'UND_ERR_HEADERS_TIMEOUT' })
}

describe.each(cases)('over %s, attemptMs: %d', (world, attemptMs) => {
  test('ends an attempt without an answer', async () => {
    const begun = await begin(world, attemptMs, () => undefined)
    const call = begun.client.request(originIn(world))
    await expect.poll(() => begun.server.seen.length).toBe(1)
    await endsAt(attemptMs, begun, call)
  })

  test('ends an upload that takes too long, though it goes on', async () => {
    let parts = 0
    let cancelled = false
    const begun = await begin(world, attemptMs, (request) => void request.on('data', () => parts++))
    const body = new Readable({
      read() {
        const push = (): void => void (cancelled || this.push('part'))
        begun.clock.setTimer(push, attemptMs / 10)
      },
      destroy(_error, done) {
        cancelled = true
        done(null)
      },
    })
    body.on('error', () => undefined)
    body.push('first')
    const call = begun.client.request(originIn(world), { method: 'PUT', body })
    await expect.poll(() => parts).toBe(1)
    await begun.clock.advance(attemptMs / 10)
    await expect.poll(() => parts).toBe(2)
    await endsAt(attemptMs - attemptMs / 10, begun, call)
    await expect.poll(() => cancelled).toBe(true)
  })

  test('ends an attempt that gets only 1xx', async () => {
    let drip: (() => void) | undefined
    const begun = await begin(world, attemptMs, (_request, response) => {
      drip = () => response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      drip()
    })
    let hints = 0
    const call = begun.client.request(originIn(world), { onInfo: () => hints++ })
    await expect.poll(() => hints).toBe(1)
    const dripping = begun.clock.setTimer(() => drip?.(), attemptMs / 2)
    await endsAt(attemptMs, begun, call)
    dripping.cancel()
  })
})

describe.each(WORLDS)('over %s', (world) => {
  test("a request's own headersTimeout takes precedence, and 0 means no limit", async () => {
    const held: (() => void)[] = []
    const begun = await begin(world, 2_000, (_request, response) => held.push(() => void response.end('ok')))
    const shorter = begun.client.request(originIn(world), { headersTimeout: 700 })
    await expect.poll(() => held.length).toBe(1)
    await endsAt(700, begun, shorter)
    const longer = begun.client.request(originIn(world), { headersTimeout: 9_000 })
    await expect.poll(() => held.length).toBe(2)
    await endsAt(9_000, begun, longer)
    const without = begun.client.request(originIn(world), { headersTimeout: 0 })
    await expect.poll(() => held.length).toBe(3)
    await begun.clock.advance(3_600_000)
    held[2]?.()
    expect(await without.then(({ body }) => body.text())).toBe('ok')
    await expect(begun.client.request(originIn(world), { headersTimeout: -1 })).rejects.toMatchObject({
      code: 'UND_ERR_INVALID_ARG',
    })
  })

  test('a response body may take as long as it likes', async () => {
    let end: (() => void) | undefined
    const begun = await begin(world, 1_000, (_request, response) => {
      response.write('some')
      end = () => void response.end(' more')
    })
    const { body } = await begun.client.request(originIn(world))
    await begun.clock.advance(60_000)
    end?.()
    expect(await body.text()).toBe('some more')
  })
})

test('a connection that takes its time is not part of it', async () => {
  const gate = Promise.withResolvers<void>()
  const held: (() => void)[] = []
  const server = keep(
    await WorldServer.start('http', (_request, response) => held.push(() => void response.end('ok'))),
  )
  const { buildConnector } = await import('undici')
  const connector = buildConnector({})
  const clock = manualClock(1_000)
  const client = keep(
    clientOf([server.label], {
      clock,
      retry: false,
      timeouts: { attemptMs: 1_000, connectMs: 5_000 },
      pool: { connect: (options, callback) => void gate.promise.then(() => connector(options, callback)) },
    }),
  )
  const call = client.request(ORIGIN).then(({ body }) => body.text())
  await clock.advance(900)
  gate.resolve()
  await expect.poll(() => held.length).toBe(1)
  await clock.advance(900)
  held[0]?.()
  expect(await call).toBe('ok')
})

describe('with pipelining', () => {
  /** Holds back responses until it is told to go on; the first part of `/stream` comes at once. */
  async function pipelining(
    options: { retry?: false } = {},
  ): Promise<Begun & { readonly held: (() => void)[]; readonly seen: readonly string[] }> {
    const held: (() => void)[] = []
    const begun = keep(
      await WorldServer.start('http', (request, response) => {
        request.resume()
        if (request.url === '/stream') response.write('some')
        held.push(() => void response.end(request.url))
      }),
    )
    const clock = manualClock(1_000)
    const client = keep(
      clientOf([begun.label], {
        clock,
        timeouts: { attemptMs: 6_000 },
        pool: { connections: 1, pipelining: 2 },
        ...options,
      }),
    )
    return { client, clock, server: begun, held, seen: begun.seen }
  }
  const upstream = (client: Client): unknown =>
    client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams[0]
  const text = (call: ReturnType<Client['request']>): Promise<string> => call.then(({ body }) => body.text())

  test('a request behind another has attemptMs, and the task is not to blame for its place', async () => {
    const { client, clock, held } = await pipelining({ retry: false })
    const { body } = await client.request(`${ORIGIN}/stream`)
    const stream = body.text().catch((error: Error) => error)
    const second = client.request(`${ORIGIN}/second`).catch((error: Error) => error)
    await expect.poll(() => held.length).toBe(2)
    await clock.advance(5_999)
    expect(client.inspect().callsUnderWay).toBe(2)
    await clock.advance(1)
    expect(await second).toMatchObject({
      code: 'UND_ERR_HEADERS_TIMEOUT',
      message: expect.stringContaining('pool.pipelining') as string,
    })
    // Taking it off the wire costs the connection.
    expect(await stream).toMatchObject({ code: 'UND_ERR_SOCKET' })
    expect(upstream(client)).toMatchObject({ state: 'available', failures: 0 })
  })

  test('a request that has to wait for another to be answered is not sent, and says so in time', async () => {
    const { client, clock, held, seen } = await pipelining()
    const first = text(client.request(`${ORIGIN}/first`, { headersTimeout: 0 }))
    await expect.poll(() => held.length).toBe(1)
    const second = client.request(`${ORIGIN}/second`).catch((error: Error) => error)
    await clock.advance(15_000)
    expect(await second).toMatchObject({
      code: 'ONEHOP_QUEUE_TIMEOUT',
      message: expect.stringContaining('pool.pipelining') as string,
    })
    held[0]?.()
    expect(await first).toBe('/first')
    expect(seen).toEqual(['GET /first'])
    expect(upstream(client)).toMatchObject({ state: 'available', failures: 0 })
  })

  test('what a response waits for another is not what the task took', async () => {
    const { client, clock, held } = await pipelining()
    for (let warm = 0; warm < 3; warm++) {
      const call = text(client.request(ORIGIN))
      await expect.poll(() => held.length).toBe(1)
      held.shift()?.()
      await call
    }
    const { body } = await client.request(`${ORIGIN}/stream`)
    const second = text(client.request(`${ORIGIN}/second`))
    await expect.poll(() => held.length).toBe(2)
    await clock.advance(3_000)
    for (const answer of held) answer()
    expect(await body.text()).toBe('some/stream')
    expect(await second).toBe('/second')
    const { latencyMs } = upstream(client) as { latencyMs: number }
    expect(latencyMs).toBeLessThan(100)
  })

  test.each([
    ['has not been answered', false],
    ['is being answered', true],
  ])('a POST that %s is not sent again when a request behind it is aborted', async (_which, isAnswered) => {
    const { client, seen } = await pipelining()
    const path = isAnswered ? '/stream' : '/held'
    const post = client
      .request(`${ORIGIN}${path}`, { method: 'POST', body: 'pay', blocking: false })
      .then(({ body }) => body.text())
      .catch((error: Error) => error)
    await expect.poll(() => seen.length).toBe(1)
    const abort = new AbortController()
    const get = client
      .request(`${ORIGIN}/get`, { signal: abort.signal })
      .catch((error: Error) => error.message)
    await expect.poll(() => seen.length).toBe(2)
    abort.abort(new Error('left'))
    expect(await get).toBe('left')
    expect(await post).toMatchObject({
      name: 'SocketError',
      message: expect.stringContaining('pool.pipelining') as string,
    })
    expect(seen).toEqual([`POST ${path}`, 'GET /get'])
    expect(upstream(client)).toMatchObject({ state: 'available', failures: 0 })
  })
})

import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { tracing, type AttemptTrace, type CallTrace } from 'onehop'
import { manualClock } from 'onehop/testing'
import { expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import { refusingAddress } from '../../../support/servers.ts'

const { keep, servers } = resources()

interface Heard {
  readonly name: string
  readonly trace: CallTrace | AttemptTrace
}

/** What is told of both channels, in order: `call:start`, `attempt:start`, ... */
function listen(): Heard[] {
  const heard: Heard[] = []
  for (const noun of ['call', 'attempt'] as const) {
    const channel = tracing[noun]
    const tell =
      (when: string) =>
      (trace: CallTrace | AttemptTrace): void =>
        void heard.push({ name: `${noun}:${when}`, trace })
    const subscribers = {
      start: tell('start'),
      end: tell('end'),
      asyncStart: tell('asyncStart'),
      asyncEnd: tell('asyncEnd'),
      error: tell('error'),
    }
    channel.subscribe(subscribers)
    keep({
      [Symbol.asyncDispose]: async () => {
        channel.unsubscribe(subscribers)
      },
    })
  }
  return heard
}

test('a call and each of its attempts are traced from beginning to end', async () => {
  const refusing = await refusingAddress()
  const [task] = await servers(1)
  const client = keep(clientOf([refusing, task?.label ?? '']))
  const heard = listen()
  const { body } = await client.request(`${ORIGIN}/v1/orders`, { method: 'POST', body: 'x' })
  await body.text()

  expect(heard.map(({ name }) => name)).toEqual([
    'call:start',
    'call:end',
    'attempt:start',
    'attempt:end',
    'attempt:error',
    'attempt:asyncStart',
    'attempt:asyncEnd',
    'attempt:start',
    'attempt:end',
    'attempt:asyncStart',
    'attempt:asyncEnd',
    'call:asyncStart',
    'call:asyncEnd',
  ])
  const [call, , first, , , , , second] = heard.map(({ trace }) => trace)
  expect(call).toEqual({
    host: 'orders.shop.local',
    origin: ORIGIN,
    method: 'POST',
    path: '/v1/orders',
    attempts: 2,
    statusCode: 200,
    durationMs: expect.any(Number),
    error: undefined,
  })
  expect(first).toMatchObject({
    call,
    host: 'orders.shop.local',
    attempt: 1,
    hedged: false,
    upstream: refusing,
    address: '127.0.1.200',
    tier: 0,
    zone: undefined,
    outcome: { kind: 'connect-error' },
    error: { code: 'ECONNREFUSED' },
  })
  expect(second).toMatchObject({
    attempt: 2,
    upstream: task?.label,
    port: task?.port,
    outcome: { kind: 'response', status: 200 },
    error: undefined,
  })
  expect((second as AttemptTrace).waitMs).toBeGreaterThanOrEqual(0)
})

test('a call that fails is traced with its error, an aborted attempt as cancelled', async () => {
  const tasks = await servers(1, () => undefined)
  const clock = manualClock()
  const client = keep(clientOf(tasks, { clock }))
  const heard = listen()
  const left = new Error('the caller left')
  const late = expect(client.request(ORIGIN, { deadlineMs: 300 })).rejects.toThrow('within 300 ms')
  await expect.poll(() => tasks[0]?.seen.length).toBe(1)
  await clock.advance(300)
  await late
  const abort = new AbortController()
  const call = client.request(ORIGIN, { signal: abort.signal })
  await expect.poll(() => tasks[0]?.seen.length).toBe(2)
  abort.abort(left)
  await expect(call).rejects.toBe(left)
  const over = heard.filter(({ name }) => name.endsWith('asyncEnd')).map(({ trace }) => trace)
  expect(over).toMatchObject([
    { outcome: { kind: 'cancelled' }, error: undefined },
    { statusCode: undefined, error: { code: 'ONEHOP_DEADLINE_EXCEEDED' } },
    { outcome: { kind: 'cancelled' }, error: undefined },
    { statusCode: undefined, error: left },
  ])
})

test('credentials in an origin are left out', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task?.label ?? '']))
  const heard = listen()
  const origin = 'http://me:hush@orders.shop.local'
  const { body } = await client.dispatcher.request({ origin, path: '/', method: 'GET' })
  await body.text()
  expect(heard[0]?.trace).toMatchObject({ origin: 'http://***@orders.shop.local' })
  expect(
    JSON.stringify([heard.map(({ trace }) => ({ ...trace, call: undefined })), client.inspect()]),
  ).not.toContain('hush')
})

test('a store bound to the start holds for what an attempt begins', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task?.label ?? '']))
  const spans = new AsyncLocalStorage<string>()
  tracing.attempt.start.bindStore(spans, (trace) => `attempt ${trace.attempt}`)
  const created: (string | undefined)[] = []
  const onCreate = (): void => void created.push(spans.getStore())
  subscribe('undici:request:create', onCreate)
  await client.request(ORIGIN).then(({ body }) => body.text())
  unsubscribe('undici:request:create', onCreate)
  tracing.attempt.start.unbindStore(spans)
  expect(created).toEqual(['attempt 1'])
})

test('one of the five events can be subscribed to, and unsubscribed from', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([task?.label ?? '']))
  const heard: string[] = []
  const listeners = { asyncEnd: ({ upstream }: AttemptTrace): void => void heard.push(upstream) }
  tracing.attempt.subscribe(listeners)
  await client.request(ORIGIN).then(({ body }) => body.text())
  tracing.attempt.unsubscribe(listeners)
  await client.request(ORIGIN).then(({ body }) => body.text())
  expect(heard).toEqual([task?.label])
})

import { AttemptsExhaustedError, InvalidOptionsError, onEvent, type Client } from 'onehop'
import { clientOver, manualClock } from 'onehop/testing'
import { errors, Agent, MockAgent } from 'undici'
import { expect, test, vi } from 'vitest'
import { failureOf } from '../../../support/failure-of.ts'

const ORIGIN = 'http://orders.shop.local'

function mockAgent(): MockAgent {
  const agent = new MockAgent()
  agent.disableNetConnect()
  return agent
}

test('a MockAgent answers fetch, request and the dispatcher, by the name of the service', async () => {
  const agent = mockAgent()
  const orders = agent.get(ORIGIN)
  orders
    .intercept({ path: '/v1/orders/42?a=1' })
    .reply(200, { id: 42 }, { headers: { 'x-a': '1' } })
    .times(3)
  await using client = clientOver(agent)
  const url = `${ORIGIN}/v1/orders/42?a=1`
  expect(await (await client.fetch(url)).json()).toEqual({ id: 42 })
  expect(await (await client.request(url)).body.json()).toEqual({ id: 42 })
  const { request } = await import('undici')
  expect((await request(url, { dispatcher: client.dispatcher })).headers['x-a']).toBe('1')
  agent.assertNoPendingInterceptors()
})

test('a MockAgent matches a body', async () => {
  const agent = mockAgent()
  const body = JSON.stringify({ id: 1 })
  agent.get(ORIGIN).intercept({ path: '/', method: 'POST', body }).reply(200, 'matched')
  await using client = clientOver(agent)
  expect(await (await client.fetch(ORIGIN, { method: 'POST', body })).text()).toBe('matched')
})

test('a MockAgent without a match fails the call with its own error, once', async () => {
  await using client = clientOver(mockAgent(), { retry: { attempts: 3 } })
  const failure = await failureOf(client.request(`${ORIGIN}/v1/orders`))
  expect(failure).toMatchObject({ code: 'UND_MOCK_ERR_MOCK_NOT_MATCHED' })
  expect(failure.message).toContain(ORIGIN)
})

test('an error of a MockAgent is a failure of the network', async () => {
  const agent = mockAgent()
  const orders = agent.get(ORIGIN)
  const broken = new errors.SocketError('other side closed')
  orders.intercept({ path: '/' }).replyWithError(broken)
  orders.intercept({ path: '/' }).reply(200, 'ok')
  orders.intercept({ path: '/' }).replyWithError(broken)
  await using retrying = clientOver(agent, { retry: { attempts: 2 } })
  expect((await retrying.fetch(ORIGIN)).status).toBe(200)
  await using client = clientOver(agent)
  const failure = await failureOf(client.request(ORIGIN))
  expect(failure).toBeInstanceOf(AttemptsExhaustedError)
  expect(failure.cause).toBe(broken)
})

test('close within a time cuts what a MockAgent answers late', async () => {
  const agent = mockAgent()
  agent.get(ORIGIN).intercept({ path: '/' }).reply(200, 'late').delay(20_000)
  const asked = Promise.withResolvers<void>()
  const client = clientOver({
    dispatch(options, handler) {
      asked.resolve()
      return agent.dispatch(options, handler)
    },
  })
  const call = failureOf(client.request(ORIGIN))
  await asked.promise
  await client.close({ withinMs: 10 })
  expect(await call).toBeInstanceOf(Error)
})

test('the MockAgent stays open when the client closes', async () => {
  const agent = mockAgent()
  agent.get(ORIGIN).intercept({ path: '/' }).reply(200, 'ok').times(2)
  const first = clientOver(agent)
  await first.fetch(ORIGIN)
  await first.close()
  await using second = clientOver(agent)
  expect((await second.fetch(ORIGIN)).status).toBe(200)
})

test('a fetch gets a Request, as a mock function of any framework does', async () => {
  const fetch = vi.fn((request: Request) => Promise.resolve(Response.json(request.url)))
  await using client = clientOver(fetch)
  expect(await (await client.fetch(`${ORIGIN}/v1?a=1`)).json()).toBe(`${ORIGIN}/v1?a=1`)
  expect(fetch.mock.calls[0]?.[0].method).toBe('GET')
})

test('a fallback is called by its own name', async () => {
  const urls: string[] = []
  await using client = clientOver(
    (request: Request) => {
      urls.push(request.url)
      return request.url.startsWith(ORIGIN)
        ? Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED', syscall: 'connect' }))
        : Promise.resolve(new Response('from the load balancer'))
    },
    { fallback: 'http://alb.internal', retry: { attempts: 3 } },
  )
  const response = await client.fetch(`${ORIGIN}/v1`, { method: 'POST', body: '{}' })
  expect(await response.text()).toBe('from the load balancer')
  expect(urls.at(-1)).toBe('http://alb.internal/v1')
})

test('every host is discovered, unless namespaces or services say which', async () => {
  const answer = (request: Request): Promise<Response> => Promise.resolve(new Response(request.url))
  await using all = clientOver(answer)
  await using some = clientOver(answer, { namespaces: ['shop.local'] })
  const discovered = (client: Client): boolean[] =>
    ['orders.shop.local', 'api.example.com'].map((host) => client.discovers(host))
  expect([discovered(all), discovered(some)]).toEqual([
    [true, true],
    [true, false],
  ])
  // Both go to the same place.
  expect(await (await some.fetch('http://api.example.com/a')).text()).toBe('http://api.example.com/a')
  expect(await (await all.fetch('http://127.0.0.1:8080/a')).text()).toBe('http://127.0.0.1:8080/a')
})

test('resolve, watch, inspect and events are real; acquire says what to use', async () => {
  await using client = clientOver(() => Promise.resolve(new Response()), { services: { 'a.local': {} } })
  const { endpoints, source } = await client.resolve('a.local')
  expect([source, endpoints.map(({ address }) => address)]).toEqual([
    'testing',
    ['192.0.2.1', '192.0.2.2', '192.0.2.3'],
  ])
  const passed: number[] = []
  client.watch('a.local', (snapshot) => passed.push(snapshot.endpoints.length))[Symbol.dispose]()
  expect(passed).toEqual([3])
  await client.fetch('http://a.local/')
  expect(client.inspect().services['a.local']?.origins['http://a.local']?.callsUnderWay).toBe(0)
  expect(() => client.acquire('http://a.local')).toThrow(/no tasks to connect to; use createClient/)
})

test('retries wait on the clock that it is given', async () => {
  const clock = manualClock()
  let sent = 0
  await using client = clientOver(
    () => Promise.resolve(new Response(null, { status: ++sent > 2 ? 200 : 503 })),
    {
      retry: { attempts: 3 },
      clock,
    },
  )
  const retried: unknown[] = []
  const stop = onEvent('onehop:call.retried', (event) => retried.push(event))
  const call = client.fetch(ORIGIN)
  for (let turn = 0; turn < 5; turn++) await clock.advance(1_000)
  expect((await call).status).toBe(200)
  stop()
  expect(retried).toHaveLength(2)
})

test.each([
  ['answers', [undefined]],
  ['answers', [42]],
  ['answers.dispatch', [{}]],
  ['discovery', [new Agent(), { discovery: 'dns' }]],
  ['pool', [new Agent(), { pool: {} }]],
  ['services["a.local"].pool', [new Agent(), { services: { 'a.local': { pool: { connections: 1 } } } }]],
  ['fallback.pool', [new Agent(), { fallback: { url: 'http://alb.internal', pool: {} } }]],
  ['services', [new Agent(), { services: 1 }]],
  ['retry.attempts', [new Agent(), { retry: { attempts: 0 } }]],
  ['options', [new Agent(), null]],
])('a wrong value of %s is refused at once', (option, given) => {
  const call = (): unknown => clientOver(...(given as Parameters<typeof clientOver>))
  expect(call).toThrow(InvalidOptionsError)
  expect(call).toThrow(`${option}: got`)
})

test('it adds no signal handler, and leaves no timer', async () => {
  const listeners = process.listenerCount('SIGTERM')
  const clock = manualClock()
  const client = clientOver(() => Promise.resolve(new Response('ok')), { clock })
  await (await client.fetch(ORIGIN, { deadlineMs: 1_000 })).text()
  await client.close()
  expect([process.listenerCount('SIGTERM'), clock.pendingTimers]).toEqual([listeners, 0])
})

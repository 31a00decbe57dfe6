/** `answerWith` and `clientOver` with what others answer by: msw's handlers, the MockAgent of another undici, a patched fetch. */
import { answerWith, clientOver, UnansweredError } from 'onehop/testing'
import type { MockAgent } from 'undici'
import { expect, test } from 'vitest'
import { MOCKS } from './mocks.ts'
import { load } from './packages/load.ts'

interface Msw {
  readonly http: {
    get(
      path: string,
      resolver: (info: { request: Request; params: Record<string, string> }) => unknown,
    ): unknown
    post(path: string, resolver: (info: { request: Request }) => unknown): unknown
  }
  readonly HttpResponse: typeof Response
  readonly getResponse: (handlers: readonly unknown[], request: Request) => Promise<Response | undefined>
}

test.each(['msw-2', 'msw-3'])('the handlers of %s answer, by getResponse', async (name) => {
  const { http, HttpResponse, getResponse } = await load<Msw>(name)
  const handlers = [
    http.get('http://orders.shop.local/v1/orders/:id', ({ params }) =>
      HttpResponse.json({ id: params['id'] }),
    ),
    http.post('http://orders.shop.local/v1/orders', async ({ request }) =>
      HttpResponse.json(await request.json(), { status: 201 }),
    ),
    http.get('http://orders.shop.local/broken', () => HttpResponse.error()),
  ]
  await using client = answerWith((request) => getResponse(handlers, request))
  const url = 'http://orders.shop.local/v1/orders'
  expect(await (await client.fetch(`${url}/42`)).json()).toEqual({ id: '42' })
  const created = await client.fetch(url, { method: 'POST', body: '{"id":43}' })
  expect([created.status, await created.json()]).toEqual([201, { id: 43 }])
  await expect(client.request('http://orders.shop.local/broken')).rejects.toMatchObject({
    code: 'ONEHOP_ATTEMPTS_EXHAUSTED',
  })
  await expect(client.request('http://carts.shop.local/')).rejects.toBeInstanceOf(UnansweredError)
})

test('the MockAgent of undici 7 answers', async () => {
  const undici7 = await load<{ MockAgent: typeof MockAgent }>('undici-7')
  const agent = new undici7.MockAgent()
  agent.disableNetConnect()
  const orders = agent.get('http://orders.shop.local')
  orders
    .intercept({ path: '/v1' })
    .reply(200, { id: 42 }, { headers: { 'set-cookie': ['a=1', 'b=2'] } })
    .times(2)
  await using client = clientOver(agent)
  const response = await client.fetch('http://orders.shop.local/v1')
  expect([response.headers.getSetCookie(), await response.json()]).toEqual([['a=1', 'b=2'], { id: 42 }])
  expect((await client.request('http://orders.shop.local/v1')).statusCode).toBe(200)
  await expect(client.request('http://orders.shop.local/v2')).rejects.toMatchObject({
    code: 'UND_MOCK_ERR_MOCK_NOT_MATCHED',
  })
})

test.each(['msw 2', 'nock 14'])('a fetch that %s has patched answers by its handlers', async (name) => {
  const mock = await MOCKS[name]?.('127.0.0.1:9')
  await using client = clientOver(globalThis.fetch)
  expect(await (await client.fetch('http://orders.shop.local/mocked')).text()).toBe('mock')
  expect(mock?.urls).toEqual(['http://orders.shop.local/mocked'])
  mock?.stop()
})

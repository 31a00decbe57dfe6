import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientOver } from 'onehop/testing'
import { MockAgent } from 'undici'

test('a call is repeated after a 503, and its answer is the second one', async () => {
  const agent = new MockAgent()
  agent.disableNetConnect()
  const orders = agent.get('http://orders.shop.local')
  orders.intercept({ path: '/v1/orders/42' }).reply(503)
  orders.intercept({ path: '/v1/orders/42' }).reply(200, { id: 42 })
  const client = clientOver(agent, { retry: { attempts: 2 } })
  const response = await client.fetch('http://orders.shop.local/v1/orders/42')
  assert.deepEqual(await response.json(), { id: 42 })
  agent.assertNoPendingInterceptors()
})

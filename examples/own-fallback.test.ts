import { createClient, staticResolver } from 'onehop'
import { startFleet } from 'onehop/testing'
import { expect, test } from 'vitest'

test('orders are taken through the load balancer while the tasks refuse direct calls', async () => {
  await using fleet = await startFleet({ tasks: 2 })
  const addresses = fleet.tasks.map(({ address, port }) => `${address}:${port}`)
  const [behind] = fleet.tasks // it stands for the load balancer, too
  await using client = createClient({
    discovery: staticResolver({ 'orders.shop.local': addresses }),
    services: { 'orders.shop.local': { fallback: `http://${behind?.backAddress}:${behind?.port}` } },
  })
  for (const task of fleet.tasks) await task.cut()
  const response = await client.fetch('http://orders.shop.local/v1/orders', { method: 'POST', body: '{}' })
  expect(response.status).toBe(200)
})

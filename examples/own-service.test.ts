import { createClient } from 'onehop'
import { startFleet, startLocalAws } from 'onehop/testing'
import { expect, test } from 'vitest'

test('the checkout survives an orders task that dies', async () => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 2, processes: true })
  aws.addService('orders.shop.local')
  for (const { id, address, port } of fleet.tasks)
    aws.register('orders.shop.local', id, { ipv4: address, port })
  await using client = createClient({
    namespaces: ['shop.local'],
    cloudMap: aws.cloudMap,
    dns: { servers: [aws.dns.server] },
    allowLoopback: true,
  })
  await fleet.tasks[0]?.kill()
  for (let order = 0; order < 20; order++) {
    const response = await client.fetch('http://orders.shop.local/v1/orders', { method: 'POST', body: '{}' })
    expect(response.status).toBe(200)
  }
})

import { Hono } from 'hono'
import { hc } from 'hono/client'
import type { Client } from 'onehop'

// The type of the app that the other service exports.
const app = new Hono()
  .get('/v1/orders', (context) => context.json({ task: 'task-1' }))
  .post('/v1/orders', (context) => context.json({ task: 'task-1' }))

export function ordersByHono(
  client: Client,
  origin = 'http://orders.shop.local',
): ReturnType<typeof hc<typeof app>> {
  return hc<typeof app>(origin, { fetch: client.fetch })
}

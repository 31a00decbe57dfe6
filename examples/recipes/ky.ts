import ky, { type KyInstance } from 'ky'
import type { Client } from 'onehop'

export function ordersByKy(client: Client, origin = 'http://orders.shop.local'): KyInstance {
  return ky.create({ baseUrl: origin, fetch: client.fetch, retry: 0, timeout: 5_000 })
}

import { createFetch, type $Fetch } from 'ofetch'
import type { Client } from 'onehop'

export function ordersByOfetch(client: Client, origin = 'http://orders.shop.local'): $Fetch {
  return createFetch({ fetch: client.fetch }).create({ baseURL: origin, retry: 0, timeout: 5_000 })
}

import got, { type Got } from 'got'
import type { Client } from 'onehop'
import { OnehopHttpAgent, OnehopHttpsAgent } from 'onehop/http'

export function ordersByGot(client: Client, origin = 'http://orders.shop.local'): Got {
  return got.extend({
    prefixUrl: origin,
    agent: { http: new OnehopHttpAgent(client), https: new OnehopHttpsAgent(client) },
    // The agents do not repeat requests that were sent. got repeats GET, PUT, HEAD, DELETE: once, after 25 ms at most.
    retry: { limit: 1, backoffLimit: 25 },
    timeout: { request: 5_000 },
  })
}

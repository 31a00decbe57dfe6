import axios, { type AxiosInstance } from 'axios'
import type { Client } from 'onehop'
import { OnehopHttpAgent, OnehopHttpsAgent } from 'onehop/http'

/** The client retries, and axios does not. */
export function ordersByAxiosFetch(client: Client, origin = 'http://orders.shop.local'): AxiosInstance {
  return axios.create({
    baseURL: origin,
    timeout: 5_000,
    adapter: 'fetch',
    // Without a Request in between, the body stays a string or buffer, and can be sent again whatever its length.
    env: { fetch: client.fetch, Request: null as never, Response: null as never },
  })
}

/** For `maxRedirects`, `beforeRedirect`, progress events and others that only the adapter `http` has. */
export function ordersByAxiosAgents(client: Client, origin = 'http://orders.shop.local'): AxiosInstance {
  return axios.create({
    baseURL: origin,
    timeout: 5_000,
    adapter: 'http',
    httpAgent: new OnehopHttpAgent(client),
    httpsAgent: new OnehopHttpsAgent(client),
  })
}

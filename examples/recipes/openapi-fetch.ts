import createApi, { type Client as Api } from 'openapi-fetch'
import type { Client } from 'onehop'

/** As openapi-typescript writes it. */
export interface paths {
  '/v1/orders': {
    get: { responses: { 200: { content: { 'application/json': { task: string } } } } }
    post: {
      requestBody: { content: { 'application/json': { sku: string } } }
      responses: { 200: { content: { 'application/json': { task: string } } } }
    }
  }
}

export function ordersByOpenapiFetch(client: Client, origin = 'http://orders.shop.local'): Api<paths> {
  return createApi<paths>({ baseUrl: origin, fetch: client.fetch })
}

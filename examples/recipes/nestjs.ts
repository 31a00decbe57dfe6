import { HttpModule } from '@nestjs/axios'
import type { DynamicModule } from '@nestjs/common'
import type { Client } from 'onehop'

/** `@Module({ imports: [ordersModule(client)] })`, and HttpService calls through the client. */
export function ordersModule(client: Client, origin = 'http://orders.shop.local'): DynamicModule {
  return HttpModule.register({
    baseURL: origin,
    timeout: 5_000,
    adapter: 'fetch',
    env: { fetch: client.fetch, Request: null as never, Response: null as never },
  })
}

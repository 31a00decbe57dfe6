import { createTRPCClient, httpBatchLink, type TRPCClient } from '@trpc/client'
import { initTRPC } from '@trpc/server'
import type { Client } from 'onehop'

// The router of the other service.
const { procedure, router } = initTRPC.create()
export const ordersRouter = router({
  get: procedure.query(() => ({ task: 'task-1' })),
  place: procedure.mutation(() => ({ task: 'task-1' })),
})

export function ordersByTrpc(
  client: Client,
  url = 'http://orders.shop.local/trpc',
): TRPCClient<typeof ordersRouter> {
  return createTRPCClient({ links: [httpBatchLink({ url, fetch: client.fetch })] })
}

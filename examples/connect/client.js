import { startWorld } from './world.js'
const local = await startWorld()

// #region readme
import { createClient as createOrders } from '@connectrpc/connect'
import { createTransport } from '@connectrpc/connect/protocol-grpc'
import { createClient } from 'onehop'
import { grpcClassify, transportOptions } from 'onehop/connect'
import { Orders } from './orders_pb.js'

const client = createClient({
  namespaces: ['shop.local'],
  classify: grpcClassify,
  // HTTP/2 without TLS. With TLS: pool: { allowH2: true }
  pool: { allowH2: true, h2Options: { useH2c: true } },
  ...local.options,
})
const transport = createTransport({
  ...transportOptions(client.dispatcher),
  baseUrl: 'http://orders.shop.local:50051',
})
const orders = createOrders(Orders, transport)

const order = await orders.get({ id: '42' }, { timeoutMs: 2_000 })
console.log(order.id, 'from', order.task)
for await (const { id, task } of orders.watch({ id: '43' })) console.log(id, 'from', task)
await client.close()
// #endregion

await local.close()

import { startWorld } from './world.js'
const local = await startWorld()

// #region readme
import grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import { createClient } from 'onehop'
import { registerCloudMap } from 'onehop/grpc'

const client = createClient({ namespaces: ['shop.local'], ...local.options })
registerCloudMap(client, {
  // gRPC itself retries no call that a task may have seen, unless the service config says so.
  serviceConfig: {
    methodConfig: [
      {
        name: [{ service: 'shop.Orders', method: 'Get' }],
        retryPolicy: {
          maxAttempts: 3,
          initialBackoff: '0.02s',
          maxBackoff: '0.25s',
          backoffMultiplier: 2,
          retryableStatusCodes: ['UNAVAILABLE'],
        },
      },
    ],
  },
})

const { shop } = grpc.loadPackageDefinition(loadSync(new URL('orders.proto', import.meta.url).pathname))
const orders = new shop.Orders('cloudmap:///orders.shop.local', grpc.credentials.createInsecure())
const order = await new Promise((resolve, reject) => {
  orders.Get({ id: '42' }, (error, answer) => (error ? reject(error) : resolve(answer)))
})
console.log(order.id, 'from', order.task)

orders.close()
await client.close()
// #endregion

await local.close()

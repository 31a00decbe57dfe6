import { expect, onTestFinished, test } from 'vitest'
import { registerCloudMap } from 'onehop/grpc'
import { clientOf } from '../../support/clients.ts'
import { GrpcFleet } from './fleet.ts'
import { grpc, Orders } from './packages/load.ts'

test('smoke', async () => {
  const fleet = await GrpcFleet.start(3)
  const client = clientOf(fleet.labels)
  onTestFinished(() => client.close())
  registerCloudMap(client)
  const orders = new Orders('cloudmap:///orders.shop.local', grpc.credentials.createInsecure())
  onTestFinished(() => orders.close())
  const get = (id: string) =>
    new Promise((resolve, reject) =>
      orders.Get({ id }, (error, order) => (error ? reject(error) : resolve(order))),
    )
  for (let i = 0; i < 9; i++) console.log(await get(String(i)))
  console.log(JSON.stringify(client.inspect(), undefined, 1))
})

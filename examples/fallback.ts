import { startWorld } from './world.ts'
const local = await startWorld()
process.env['ORDERS_BALANCER'] = local.balancer

// #region readme
import { createClient, onEvent } from 'onehop'

const balancer = process.env['ORDERS_BALANCER'] ?? 'http://internal-orders-1.eu-west-1.elb.amazonaws.com'
// What the tasks cannot take goes to the load balancer: all of it when discovery fails or no task
// can be reached, a part of it when a part of them is gone. It comes back by itself.
const client = createClient({
  namespaces: ['shop.local'],
  services: { 'orders.shop.local': { fallback: balancer } },
  ...local.options,
})
onEvent('onehop:call.fell-back', (event) => console.warn('via the load balancer:', event))
// #endregion

for (const task of local.fleet.tasks) await task.cut()
const response = await client.fetch('http://orders.shop.local/v1/orders/42')
console.log(response.status, response.headers.get('x-via'))
await client.close()
await local[Symbol.asyncDispose]()

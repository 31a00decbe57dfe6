import { startWorld } from './world.ts'
const local = await startWorld()
process.env['ORDERS_BALANCER'] = local.balancer

// #region readme
import { createClient, onEvent } from 'onehop'

const balancer = process.env['ORDERS_BALANCER'] ?? 'http://internal-orders-1.eu-west-1.elb.amazonaws.com'
// Calls that the tasks cannot take go to the load balancer: all calls if discovery fails or no task is
// reachable, a share of them if some tasks are ejected. They return to the tasks by themselves.
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

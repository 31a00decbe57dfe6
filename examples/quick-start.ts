import { startWorld } from './world.ts'
const local = await startWorld()

// #region readme
import { createClient } from 'onehop'

const client = createClient({
  namespaces: ['shop.local'], //              hosts in it are discovered
  ...local.options,
})

const response = await client.fetch('http://orders.shop.local/v1/orders/42')
console.log(response.status, await response.json())

const { statusCode, body } = await client.request('http://orders.shop.local/v1/orders', {
  method: 'POST',
  body: JSON.stringify({ item: 'a book' }),
})
console.log(statusCode, await body.json())
await client.close()
// #endregion

await local[Symbol.asyncDispose]()

import { startWorld } from './world.ts'
const local = await startWorld()

// #region readme
import { createClient } from 'onehop'

// No IAM, no SDK: A, AAAA and SRV records of the private DNS namespace, cached for their TTL.
const client = createClient({
  namespaces: ['shop.local'],
  discovery: 'dns',
  ...local.options,
})
const { endpoints, source } = await client.resolve('orders.shop.local')
console.log(source, endpoints)
// #endregion

await client.close()
await local[Symbol.asyncDispose]()

import { startWorld } from './world.ts'
const local = await startWorld()

// #region readme
import { createClient } from 'onehop'

// Changes show within seconds, with zones and ports. The IAM policy it needs is in docs/discovery.md.
const client = createClient({
  namespaces: ['shop.local'],
  discovery: 'api',
  cloudMap: { region: 'eu-west-1' },
  ...local.options,
})
const { endpoints, source } = await client.resolve('orders.shop.local')
console.log(source, endpoints)
// #endregion

await client.close()
await local[Symbol.asyncDispose]()

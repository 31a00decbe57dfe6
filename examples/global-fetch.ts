import { startWorld } from './world.ts'
const local = await startWorld()

// #region readme
import { createClient } from 'onehop'
import { setGlobalDispatcher } from 'undici'

const client = createClient({ namespaces: ['shop.local'], ...local.options })
setGlobalDispatcher(client.dispatcher)

// Node's own fetch, anywhere in the process. Discovered hosts go to their tasks, all others as before.
const response = await fetch('http://orders.shop.local/v1/orders/42')
console.log(response.status, await response.json())
// #endregion

await client.close()
await local[Symbol.asyncDispose]()

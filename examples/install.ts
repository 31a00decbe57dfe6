import { startWorld } from './world.ts'
const local = await startWorld()

// #region readme
import { createClient } from 'onehop'
import { install } from 'onehop/install'

const client = createClient({ namespaces: ['shop.local'], ...local.options })
const installed = install(client)

// Anything that calls: here the built-in fetch, which knows nothing of the client.
const response = await fetch('http://orders.shop.local/v1/orders/42')
console.log(response.status, await response.text())

installed[Symbol.dispose]()
await client.close()
// #endregion

await local[Symbol.asyncDispose]()

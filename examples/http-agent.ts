import { startWorld } from './world.ts'
const local = await startWorld()

// #region readme
import { get, type IncomingMessage } from 'node:http'
import { createClient } from 'onehop'
import { OnehopHttpAgent } from 'onehop/http'

const client = createClient({ namespaces: ['shop.local'], ...local.options })
const agent = new OnehopHttpAgent(client)

const response = await new Promise<IncomingMessage>((resolve, reject) => {
  get('http://orders.shop.local/v1/orders/42', { agent }, resolve).on('error', reject)
})
let text = ''
for await (const chunk of response) text += String(chunk)
console.log(response.statusCode, text)
agent.destroy()
await client.close()
// #endregion

await local[Symbol.asyncDispose]()

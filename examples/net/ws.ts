import { local } from './world.ts'

// #region readme
import { once } from 'node:events'
import { createClient } from 'onehop'
import { connect } from 'onehop/net'
import { WebSocket } from 'ws'

const client = createClient({ namespaces: ['shop.local'], ...local.options })
const port = Number(process.env['FEED_PORT'] ?? 8080)
const socket = new WebSocket(`ws://feed.shop.local:${port}/v1/prices`, {
  createConnection: () => connect(client, { host: 'feed.shop.local', port }),
})

await once(socket, 'open')
socket.send('subscribe')
const [message] = await once(socket, 'message')
console.log(String(message))
socket.close()
await once(socket, 'close')
await client.close()
// #endregion

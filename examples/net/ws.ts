import { local } from './world.ts'

// #region readme
import { once } from 'node:events'
import { createClient } from 'onehop'
import { connect } from 'onehop/net'
import { WebSocket } from 'ws'

const client = createClient({ namespaces: ['shop.local'], ...local.options })
const socket = new WebSocket('ws://feed.shop.local/v1/prices', {
  createConnection: () => connect(client, { host: 'feed.shop.local' }),
})

await once(socket, 'open')
socket.send('subscribe')
const [message] = await once(socket, 'message')
console.log(String(message))
socket.close()
await once(socket, 'close')
await client.close()
// #endregion

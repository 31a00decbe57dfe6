import { startWorld } from './world.ts'
const local = await startWorld()

// #region readme
import { connect } from 'node:net'
import { createClient } from 'onehop'

const client = createClient({ namespaces: ['shop.local'], ...local.options })

const watch = client.watch('orders.shop.local', ({ endpoints }) => {
  console.log('tasks:', endpoints.map(({ address }) => address).join(', '))
})

const lease = await client.acquire('http://orders.shop.local', { method: 'POST' })
const socket = connect(lease.port, lease.endpoint.address)
socket.on('connect', () => {
  lease.report({ kind: 'response', status: 200, latencyMs: lease.elapsedMs(), retryAfterMs: undefined })
  console.log('connected to', lease.endpoint.address)
  socket.destroy()
})
socket.on('error', (error) => {
  lease.report({ kind: 'connect-error', error })
  const next = lease.again()
  console.log('the next task would be', next?.endpoint.address)
  next?.end()
})
socket.on('close', () => {
  lease.end()
  watch[Symbol.dispose]()
})
// #endregion

await new Promise((resolve) => socket.on('close', resolve))
await client.close()
await local[Symbol.asyncDispose]()

import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { connect, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { startFleet } from '../../../../src/testing/index.ts'

test('a task that is killed while a client ends its connection closes that connection', async () => {
  const { promise: taken, resolve: take } = Promise.withResolvers<Socket>()
  await using fleet = await startFleet({
    tasks: 1,
    handler: (request, response) => {
      take(request.socket)
      response.end('ok')
    },
  })
  const [task] = fleet.tasks
  if (task === undefined) throw new Error('no task')
  const client = connect(task.port, task.address)
  client.on('error', () => undefined)
  client.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
  await once(client, 'data')
  const socket = await taken
  const closed = once(socket, 'close').then(() => 'closed')
  // Node's server has just begun its own end of the connection, and libuv resets no socket that is shutting down.
  socket.once('end', () => void task.kill())
  client.end()
  // A connection that hangs hangs for as long as nothing is written to it.
  expect(await Promise.race([closed, delay(20_000, 'open', { ref: false })])).toBe('closed')
})

/** Connections that are still being made when nobody wants them any more. */
import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { clientOf } from '../../../support/clients.ts'

const CONNECT_MS = 20_000

let sockets: Set<Socket>
let port: number

/** Takes connections and says nothing: TLS is never made. */
beforeEach(async () => {
  sockets = new Set()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.resume()
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
  port = (server.address() as AddressInfo).port
  onTestFinished(() => void server.close())
})

test('destroy() ends them at once', async () => {
  const client = clientOf([`127.0.1.1:${port}`], { timeouts: { connectMs: CONNECT_MS }, retry: false })
  const call = client.request('https://orders.shop.local/').catch((error: Error) => error)
  await expect.poll(() => sockets.size).toBe(1)
  await client.dispatcher.destroy()
  expect(await call).toBeInstanceOf(Error)
  await expect.poll(() => sockets.size).toBe(0)
})

test('close() does not wait for them when their calls are over', async () => {
  const client = clientOf([`127.0.1.1:${port}`], { timeouts: { connectMs: CONNECT_MS } })
  const aborting = new AbortController()
  const call = client
    .request('https://orders.shop.local/', { signal: aborting.signal })
    .catch((error: Error) => error)
  await expect.poll(() => sockets.size).toBe(1)
  aborting.abort()
  await call
  const closed = client.close().then(() => 'closed')
  expect(await Promise.race([closed, delay(CONNECT_MS / 2, 'still waiting', { ref: false })])).toBe('closed')
  await expect.poll(() => sockets.size).toBe(0)
})

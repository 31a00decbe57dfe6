/** How long a channel waits for the address of a task that is gone. */
import { createServer, type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client, ClientOptions } from 'onehop'
import { expect, onTestFinished, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { clientOf } from '../../support/clients.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress } from '../../support/servers.ts'
import { ca } from '../../support/transports/tls.ts'
import { GrpcFleet } from './fleet.ts'
import { get, ordersOver, upstreams } from './orders.ts'
import { grpc } from './packages/load.ts'

const { keep } = resources()
const SSL = grpc.credentials.createSsl(Buffer.from(ca))

async function silence(port?: number): Promise<string> {
  const label = port === undefined ? await refusingAddress('127.0.1.9') : `127.0.1.9:${port}`
  keep(await BlackHole.start('127.0.1.9', Number(label.split(':')[1])))
  return label
}

function clientTo(labels: readonly string[], timeouts: ClientOptions['timeouts'] = {}): Client {
  return keep(clientOf([...labels], { timeouts }))
}

/** What a call fails with. */
function failure(orders: ReturnType<typeof ordersOver>): Promise<{ code: number; details: string }> {
  return get(orders).then(Promise.reject, (error: { code: number; details: string }) => error)
}

test.each([
  ['without TLS', grpc.credentials.createInsecure()],
  ['with TLS', SSL],
])('a silent address has tcpConnectMs, %s', async (_name, credentials) => {
  const label = await silence()
  const client = clientTo([label], { connectMs: 60_000, tcpConnectMs: 150 })
  const error = await failure(ordersOver(client, {}, credentials))
  expect(error.code).toBe(grpc.status['UNAVAILABLE'])
  expect(error.details).toContain(`${label}: no TCP connection in 150 ms (timeouts.tcpConnectMs)`)
  expect(upstreams(client, ({ state }) => state)).toEqual({ [label]: 'ejected' })
})

test('300 ms by default; connectMs where that is set alone', async () => {
  const label = await silence()
  const { details } = await failure(ordersOver(clientTo([label])))
  expect(details).toContain('no TCP connection in 300 ms')
  const { details: alone } = await failure(ordersOver(clientTo([label], { connectMs: 200 })))
  expect(alone).toContain('no connection in 200 ms (timeouts.connectMs)')
})

test.each([
  ['without TLS', grpc.credentials.createInsecure()],
  ['with TLS', SSL],
])('a task that takes TCP and says nothing has connectMs, %s', async (_name, credentials) => {
  const server = createServer((socket) => socket.on('error', () => undefined).resume())
  await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
  onTestFinished(() => void server.close())
  const label = `127.0.1.1:${(server.address() as AddressInfo).port}`
  const client = clientTo([label], { connectMs: 400, tcpConnectMs: 100 })
  const { details } = await failure(ordersOver(client, {}, credentials))
  expect(details).toContain('no connection in 400 ms (timeouts.connectMs)')
})

test('channels that share a connection share what is known of it', async () => {
  const label = await silence()
  const timeouts = { connectMs: 60_000, tcpConnectMs: 150 }
  const shared = { 'grpc.use_local_subchannel_pool': 0 }
  const [one, two] = [1, 2].map(() => ordersOver(clientTo([label], timeouts), shared))
  const first = failure(one as ReturnType<typeof ordersOver>)
  await delay(50)
  const second = failure(two as ReturnType<typeof ordersOver>)
  for (const { details } of await Promise.all([first, second]))
    expect(details).toContain('no TCP connection in 150 ms')
})

test('calls go to the task that answers', async () => {
  const fleet = await GrpcFleet.start(1)
  const [answering = ''] = fleet.labels
  const silent = await silence(fleet.port)
  const client = clientTo([silent, answering], { connectMs: 60_000, tcpConnectMs: 150 })
  const orders = ordersOver(client)
  for (let count = 0; count < 5; count++) expect((await get(orders)).task).toBe(answering)
  await expect.poll(() => upstreams(client, ({ state }) => state)[silent]).toBe('ejected')
})

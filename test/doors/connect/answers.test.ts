/** Answers that no server of Connect gives, and bodies that fail. */
import { createServer as createHttp2Server, type ServerHttp2Stream } from 'node:http2'
import { setTimeout } from 'node:timers/promises'
import type { Client } from 'onehop'
import { grpcClassify } from 'onehop/connect'
import { expect, onTestFinished, test } from 'vitest'
import { clientOf } from '../../support/clients.ts'
import { LoopbackServer } from '../../support/loopback-server.ts'
import { collect, ordersOver, type Order, type Orders } from './connect.ts'

const GRPC = { ':status': 200, 'content-type': 'application/grpc+proto' }

/** An order as gRPC sends it: a flag, the length, and field 1. */
function order(id: number): Buffer {
  return Buffer.from([0, 0, 0, 0, 2, 8, id])
}

async function against(
  answer: (stream: ServerHttp2Stream) => void,
): Promise<{ readonly client: Client; readonly orders: Orders }> {
  const http2 = createHttp2Server()
  http2.on('session', (session) => session.on('error', () => undefined))
  http2.on('stream', (stream) => {
    stream.on('error', () => undefined).resume()
    answer(stream)
  })
  const server = await new LoopbackServer(http2).listen('127.0.1.1')
  const pool = { allowH2: true, h2Options: { useH2c: true } }
  const client = clientOf([server], { classify: grpcClassify, pool })
  onTestFinished(async () => {
    await client.close({ withinMs: 0 })
    await server.kill()
  })
  const { dispatcher } = client
  return { client, orders: await ordersOver('grpc', { baseUrl: 'http://orders.shop.local', dispatcher }) }
}

test('messages after the status OK in the headers are read', async () => {
  const { orders } = await against((stream) => {
    stream.respond({ ...GRPC, 'grpc-status': '0' })
    stream.end(order(7))
  })
  expect((await orders.get({ id: 7 })).id).toBe(7)
  expect((await collect(orders.list({ count: 1 }))).map(({ id }) => id)).toEqual([7])
})

test('an error in the headers is the call, even if the response does not end', async () => {
  const { orders, client } = await against((stream) => stream.respond({ ...GRPC, 'grpc-status': '5' }))
  await expect(orders.get({ id: 1 })).rejects.toMatchObject({ name: 'ConnectError', code: 5 })
  await expect(collect(orders.list({ count: 1 }))).rejects.toMatchObject({ name: 'ConnectError', code: 5 })
  await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
})

test('a stream of the client that fails is internal, as with connect-node', async () => {
  const { orders } = await against(() => undefined)
  async function* failing(): AsyncGenerator<Partial<Order>> {
    yield { id: 1 }
    await setTimeout(10)
    throw new Error('the file is gone')
  }
  await expect(orders.sum(failing())).rejects.toMatchObject({
    name: 'ConnectError',
    code: 13,
    rawMessage: 'the file is gone',
  })
})

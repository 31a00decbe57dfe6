/** An agent of others in the place of ours, which asks ours for connections only: msw 2 and nock 14 do so. */
import http, { type AgentOptions } from 'node:http'
import https from 'node:https'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import type { Client } from 'onehop'
import { OnehopHttpAgent, OnehopHttpsAgent } from 'onehop/http'
import { afterEach, expect, test } from 'vitest'
import { clientOf } from '../../support/clients.ts'
import { answered } from '../../support/http-requests.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress, type TestServer } from '../../support/servers.ts'
import { https as httpsServer, secureTasks } from '../../support/transports/secure-servers.ts'
import { ca } from '../../support/transports/tls.ts'

const { keep, servers } = resources()
const agents: http.Agent[] = []
afterEach(() => {
  for (const agent of agents.splice(0)) agent.destroy()
})

interface Connects {
  readonly options: AgentOptions
  createConnection(options: object, callback?: () => void): Duplex | null | undefined
}

/** @returns an agent of Node's class that has its sockets of ours */
function replaced(ours: OnehopHttpAgent | OnehopHttpsAgent): http.Agent {
  const agent = ours instanceof OnehopHttpsAgent ? new https.Agent() : new http.Agent()
  const { options } = ours as Connects
  agent.createConnection = (given, callback) =>
    (ours as Connects).createConnection({ ...given, ...options }, callback as () => void)
  agents.push(agent, ours)
  return agent
}

function underWay(client: Client): number {
  return client.inspect().callsUnderWay
}

test('a request reaches a task, past one that refuses, and its place is free when it is closed', async () => {
  const [task] = await servers(1)
  const client = keep(clientOf([{ label: await refusingAddress('127.0.1.9') }, task as TestServer]))
  const agent = replaced(new OnehopHttpAgent(client))
  const { status } = await answered(
    http.request('http://orders.shop.local/', { agent, method: 'POST' }),
    'body',
  )
  expect(status).toBe(200)
  await expect.poll(() => underWay(client), { interval: 5 }).toBe(0)
})

test('over TLS, the certificate is verified against the name that the caller wrote', async () => {
  const [task] = (
    await secureTasks([
      () =>
        httpsServer((request, response) => {
          const { servername } = request.socket as TLSSocket & { servername: string }
          response.end(`${servername} ${request.headers.host}`)
        }, {}),
    ])
  ).map(keep)
  const client = keep(clientOf([task as { label: string }]))
  const agent = replaced(new OnehopHttpsAgent(client, { ca }))
  const { text } = await answered(https.get('https://orders.shop.local/', { agent }))
  expect(text).toBe('orders.shop.local orders.shop.local')
  const bare = answered(
    https.get('https://orders.shop.local/', { agent: replaced(new OnehopHttpsAgent(client)) }),
  )
  await expect(bare).rejects.toMatchObject({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })
})

test('a host that is not discovered is connected to by Node', async () => {
  const [server] = await servers(1)
  const client = keep(clientOf([]))
  const agent = replaced(new OnehopHttpAgent(client))
  expect((await answered(http.get(`http://${(server as TestServer).label}/`, { agent }))).status).toBe(200)
  const missing = answered(http.get('http://nowhere.invalid/', { agent }))
  await expect(missing).rejects.toMatchObject({ syscall: 'getaddrinfo' })
})

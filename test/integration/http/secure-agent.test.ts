import type { RequestListener } from 'node:http'
import https, { type AgentOptions } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { ClientOptions } from 'onehop'
import { OnehopHttpAgent, OnehopHttpsAgent } from 'onehop/http'
import http from 'node:http'
import { afterEach, expect, test } from 'vitest'
import { clientOf } from '../../support/clients.ts'
import { eventsOf } from '../../support/events.ts'
import { answered } from '../../support/http-requests.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress } from '../../support/servers.ts'
import {
  https as httpsServer,
  secureTasks,
  type SecureTask,
} from '../../support/transports/secure-servers.ts'
import { balancerCert, balancerKey, ca, otherCa, selfSigned } from '../../support/transports/tls.ts'

const ORIGIN = 'https://orders.shop.local'
const { keep } = resources()
const agents: http.Agent[] = []
afterEach(() => {
  for (const agent of agents.splice(0)) agent.destroy()
})

/** Says the server name and Host by which it was called. */
const names: RequestListener = (request, response) => {
  const { servername } = request.socket as TLSSocket & { servername: string }
  response.end(`${servername} ${request.headers.host}`)
}

async function tasks(count: number, options: object = {}): Promise<SecureTask[]> {
  return (await secureTasks(Array.from({ length: count }, () => () => httpsServer(names, options)))).map(keep)
}

function agentOf(
  answer: Parameters<typeof clientOf>[0],
  options: ClientOptions = {},
  agentOptions: AgentOptions = { ca },
): OnehopHttpsAgent {
  const agent = new OnehopHttpsAgent(keep(clientOf(answer, options)), agentOptions)
  agents.push(agent)
  return agent
}

test('certificates are verified against the name that the caller wrote', async () => {
  const [task] = await tasks(1)
  const agent = agentOf([task as SecureTask])
  const { text } = await answered(https.get(ORIGIN, { agent }))
  expect(text).toBe('orders.shop.local orders.shop.local')
  const bare = answered(https.get(ORIGIN, { agent: agentOf([task as SecureTask], {}, {}) }))
  await expect(bare).rejects.toMatchObject({ code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' })
})

test('a TLS handshake may take longer than tcpConnectMs', async () => {
  const slow = (_name: string, done: (error: null) => void): void => void setTimeout(() => done(null), 150)
  const [task] = await tasks(1, { SNICallback: slow })
  const options = { retry: false, timeouts: { connectMs: 20_000, tcpConnectMs: 100 } } as const
  const { text } = await answered(https.get(ORIGIN, { agent: agentOf([task as SecureTask], options) }))
  expect(text).toBe('orders.shop.local orders.shop.local')
})

test('a servername of the caller’s, of the request or in Host, is kept', async () => {
  const [task] = await tasks(1)
  const agent = agentOf([task as SecureTask], {}, { ca, rejectUnauthorized: false })
  const own = await answered(https.get(ORIGIN, { agent, servername: 'own.example' }))
  expect(own.text).toBe('own.example orders.shop.local')
  const host = await answered(https.get(ORIGIN, { agent, headers: { host: 'host.example:8443' } }))
  expect(host.text).toBe('host.example host.example:8443')
  const none = await answered(https.get({ host: 'orders.shop.local', agent, setHost: false }))
  expect(none.status).toBe(400)
})

test.each([
  ['servername is empty', { servername: '' }, 'false orders.shop.local'],
  ['Host is an IP address', { headers: { host: '10.0.0.1' } }, 'false 10.0.0.1'],
])('where %s, no name is sent, and the called one is verified', async (_what, options, expected) => {
  const [task] = await tasks(1)
  const { text } = await answered(https.get(ORIGIN, { agent: agentOf([task as SecureTask]), ...options }))
  expect(text).toBe(expected)
  const agent = agentOf([task as SecureTask], { namespaces: ['shop.local'] })
  const other = answered(https.get('https://carts.shop.local', { agent, ...options }))
  await expect(other).rejects.toMatchObject({
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    host: 'carts.shop.local',
  })
})

test('connections are kept per task, and a new one resumes the TLS session', async () => {
  const [task] = await tasks(1)
  const agent = agentOf([task as SecureTask], {}, { ca, maxVersion: 'TLSv1.2' })
  const request = https.get(ORIGIN, { agent })
  const reused: boolean[] = []
  request.on('socket', (socket) => reused.push((socket as TLSSocket).isSessionReused()))
  await answered(request)
  const second = https.get(ORIGIN, { agent })
  await answered(second)
  expect(second.reusedSocket).toBe(true)
  for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy()
  await expect.poll(() => Object.keys(agent.freeSockets)).toEqual([])
  const third = https.get(ORIGIN, { agent })
  third.on('socket', (socket) => reused.push((socket as TLSSocket).isSessionReused()))
  await answered(third)
  expect(reused).toEqual([false, true])
})

test.each([
  ['that refuses', undefined],
  ['with a certificate that is not trusted', selfSigned],
])('a task %s is passed over, for a POST', async (_what, certificate) => {
  const [good] = await tasks(1)
  let bad = await refusingAddress('127.0.1.210')
  if (certificate !== undefined) {
    const [one, two] = await secureTasks([() => httpsServer(names), () => httpsServer(names, certificate)])
    keep(one as SecureTask)
    bad = keep(two as SecureTask).label
  }
  const ejected = eventsOf('onehop:upstream.ejected')
  const agent = agentOf([bad, good?.label as string])
  const { text } = await answered(https.request(ORIGIN, { agent, method: 'POST' }), 'body')
  expect(text).toBe('orders.shop.local orders.shop.local')
  expect(ejected).toMatchObject([{ upstream: bad }])
})

test('the load balancer is called and verified by its own name', async () => {
  const [balancer] = await tasks(1, { cert: balancerCert, key: balancerKey })
  const fallback = `https://balancer.shop.example:${balancer?.port}`
  const lookup: AgentOptions['lookup'] = (_host, _options, callback) =>
    callback(null, [{ address: '127.0.1.1', family: 4 }])
  const expected = `balancer.shop.example balancer.shop.example:${balancer?.port}`
  const secure = agentOf([await refusingAddress()], { fallback }, { ca: [ca, otherCa], lookup })
  for (let count = 0; count < 2; count++)
    expect((await answered(https.get(ORIGIN, { agent: secure }))).text).toBe(expected)
  // A caller without TLS, and a load balancer with it.
  const options = { ca: otherCa, lookup } as http.AgentOptions
  const plain = new OnehopHttpAgent(keep(clientOf([await refusingAddress()], { fallback })), options)
  agents.push(plain)
  for (let count = 0; count < 2; count++)
    expect((await answered(http.get('http://orders.shop.local', { agent: plain }))).text).toBe(expected)
})

test('a connection that was verified by a function of one request is not kept for others', async () => {
  const [task] = await tasks(1)
  const agent = agentOf([task as SecureTask])
  const asked: string[] = []
  const checkServerIdentity = (name: string): undefined => void asked.push(name)
  for (let count = 0; count < 2; count++) await answered(https.get(ORIGIN, { agent, checkServerIdentity }))
  expect(asked).toEqual(['orders.shop.local', 'orders.shop.local'])
  expect(Object.keys(agent.freeSockets)).toEqual([])
})

test('options of TLS that cannot be used are an error of the request', async () => {
  const [task] = await tasks(1)
  const client = keep(clientOf([task as SecureTask]))
  const agent = new OnehopHttpsAgent(client, { ca, cert: 'no certificate' })
  agents.push(agent)
  await expect(answered(https.get(ORIGIN, { agent }))).rejects.toMatchObject({
    code: expect.stringMatching(/^ERR_OSSL/) as string,
  })
  expect(client.inspect().callsUnderWay).toBe(0)
})

/**
 * A script whose calls are done ends, whatever discovery waits for in the background; one whose calls wait does not. In
 * processes of their own, against servers of this one.
 */
import { execFile } from 'node:child_process'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ClientOptions } from 'onehop'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { resources } from '../../support/resources.ts'
import type { TestServer } from '../../support/servers.ts'
import { apiServer, instances, type Respond } from '../../support/cloud-map-server.ts'
import { a, response, tcpServer, udpServer, type UdpServer } from '../../support/dns/servers.ts'
import type { Script, Told } from '../../support/processes/lookup.ts'

const NAME = 'orders.shop.local'
const PROGRAM = fileURLToPath(new URL('../../support/processes/lookup.ts', import.meta.url))
const run = promisify(execFile)
const { servers } = resources()
let task: TestServer

beforeEach(async () => {
  const [server] = await servers(1)
  if (server === undefined) throw new Error('no server')
  task = server
})

/** Runs the script, on the Node that runs this. A script that ends in the middle of a call fails. */
async function play(
  script: Omit<Script, 'url' | 'options'>,
  options: ClientOptions,
  env: NodeJS.ProcessEnv = {},
): Promise<Told> {
  const url = `http://${NAME}:${task.port}/`
  const whole: Script = {
    ...script,
    url,
    options: { namespaces: ['shop.local'], allowLoopback: true, ...options },
  }
  const { stdout } = await run(
    process.execPath,
    ['--conditions=onehop:source', '--disable-warning=ExperimentalWarning', PROGRAM, JSON.stringify(whole)],
    { env: { ...process.env, ...env }, timeout: 25_000 },
  )
  return JSON.parse(stdout) as Told
}

const ended = (told: Told, call = task.label): void => {
  expect(told.call).toBe(call)
  expect(told.livedOnMs).toBeLessThan(200)
}

/** Answers the first query, for a second, and is silent from then on. */
function silentFromThenOn(): Promise<UdpServer> {
  let queries = 0
  return udpServer((query, reply) => {
    if (queries++ === 0) reply(response(query, { answers: [a(NAME, '127.0.1.1', 1)] }))
  })
}

async function hanging(): Promise<string> {
  const silent: RequestListener = () => undefined
  const server = createServer(silent).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const CREDENTIALS = { accessKeyId: 'a', secretAccessKey: 'b' }

function apiOptions(endpoint: string): ClientOptions {
  return { cloudMap: { endpoint, region: 'eu-west-1', credentials: CREDENTIALS, revisionMs: 1_000 } }
}

/** Gives the task once, and hangs from then on. */
function hangsFromThenOn(): Respond {
  let answered = false
  return (reply, call) => {
    if (answered) return
    answered = true
    const Attributes = { AWS_INSTANCE_IPV4: '127.0.1.1' }
    instances([{ InstanceId: 'i-1', Attributes }])(reply, call)
  }
}

describe('a script whose calls are done ends within 200 ms, without close()', () => {
  test('while DNS is silent over UDP', async () => {
    const dns = await silentFromThenOn()
    ended(await play({ afterMs: 1_500 }, { discovery: 'dns', dns: { servers: [dns.server] } }))
    expect(dns.asked).toHaveLength(2)
  })

  test('while DNS is silent over TCP', async () => {
    const dns = await silentFromThenOn()
    const tcp = await tcpServer(dns.port, () => undefined)
    const options = { servers: [dns.server], timeoutMs: 600 }
    ended(await play({ afterMs: 1_700 }, { discovery: 'dns', dns: options }))
    expect(tcp.connections).toBe(1)
  })

  test('while the API hangs, in its poll', async () => {
    const api = await apiServer(hangsFromThenOn())
    ended(await play({ afterMs: 2_000 }, { discovery: 'api', ...apiOptions(api.endpoint) }))
    expect(api.calls.length).toBeGreaterThan(1)
  })

  test('while the API hangs from the start, and DNS has answered instead', async () => {
    const dns = await udpServer((query, reply) => reply(response(query, { answers: [a(NAME, '127.0.1.1')] })))
    const told = await play(
      { afterMs: 0 },
      { ...apiOptions(await hanging()), dns: { servers: [dns.server] } },
    )
    ended(told)
  })

  test('while the endpoint of the task role hangs, and DNS has answered instead', async () => {
    const dns = await udpServer((query, reply) => reply(response(query, { answers: [a(NAME, '127.0.1.1')] })))
    const env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: await hanging(),
      AWS_REGION: 'eu-west-1',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null/none',
      AWS_CONFIG_FILE: '/dev/null/none',
    }
    ended(await play({ afterMs: 0 }, { dns: { servers: [dns.server] } }, env))
  })

  test('while the metadata of the task hang', async () => {
    const dns = await udpServer((query, reply) => reply(response(query, { answers: [a(NAME, '127.0.1.1')] })))
    const env = { ECS_CONTAINER_METADATA_URI_V4: `${await hanging()}/v4/x` }
    ended(await play({ afterMs: 0 }, { discovery: 'dns', dns: { servers: [dns.server] } }, env))
  })

  test('while a resolver of its own hangs', async () => {
    ended(await play({ afterMs: 1_500, own: task.label }, {}))
  })

  test('while a lookup goes on that its call has given up', async () => {
    const dns = await udpServer(() => undefined)
    const told = await play(
      { afterMs: 0, abortMs: 300 },
      { discovery: 'dns', dns: { servers: [dns.server] } },
    )
    ended(told, 'TimeoutError')
  })
})

describe('a script whose call waits for a lookup lives until it is there', () => {
  test('over DNS', async () => {
    const dns = await udpServer((query, reply) =>
      setTimeout(() => reply(response(query, { answers: [a(NAME, '127.0.1.1')] })), 600),
    )
    ended(await play({ afterMs: 0 }, { discovery: 'dns', dns: { servers: [dns.server] } }))
  })

  test('over the API', async () => {
    const once = hangsFromThenOn()
    const api = await apiServer((reply, call) => setTimeout(() => once(reply, call), 600))
    ended(await play({ afterMs: 0 }, { discovery: 'api', ...apiOptions(api.endpoint) }))
  })
})

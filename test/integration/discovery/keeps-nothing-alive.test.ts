/**
 * A script whose calls are done ends, whatever discovery waits for in the background; one whose calls wait does not. In
 * processes of their own, against servers of this one.
 */
import { execFile } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ClientOptions } from 'onehop'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { resources } from '../../support/resources.ts'
import type { TestServer } from '../../support/servers.ts'
import { apiServer, instances, type Respond } from '../../support/cloud-map-server.ts'
import { a, response, tcpServer, udpServer, type UdpServer } from '../../support/dns/servers.ts'
import type { Script, Told } from '../../support/processes/lookup.ts'
import { until } from '../../support/until.ts'

const NAME = 'orders.shop.local'
const PROGRAM = fileURLToPath(new URL('../../support/processes/lookup.ts', import.meta.url))
const run = promisify(execFile)
/** A process starts slowly on a busy machine. */
const WITHIN_MS = 55_000
vi.setConfig({ testTimeout: 60_000 })
const { servers } = resources()
let task: TestServer

beforeEach(async () => {
  const [server] = await servers(1)
  if (server === undefined) throw new Error('no server')
  task = server
})

interface Play {
  readonly script?: Omit<Script, 'url' | 'options'>
  readonly env?: NodeJS.ProcessEnv
  /** The script calls on until this is so [one call]. */
  readonly until?: (stderr: string) => boolean
}

/** Runs the script, on the Node that runs this. A script that ends in the middle of a call fails. */
async function play(options: ClientOptions, { script, env, until: isTime }: Play = {}): Promise<Told> {
  const whole: Script = {
    ...script,
    callsOn: isTime !== undefined,
    url: `http://${NAME}:${task.port}/`,
    options: { namespaces: ['shop.local'], allowLoopback: true, ...options },
  }
  const running = run(
    process.execPath,
    ['--conditions=onehop:source', '--disable-warning=ExperimentalWarning', PROGRAM, JSON.stringify(whole)],
    { env: { ...process.env, ...env }, timeout: WITHIN_MS },
  )
  const { child } = running
  let stderr = ''
  child.stderr?.on('data', (text: string) => (stderr += text))
  if (isTime !== undefined) {
    await Promise.race([running, until(() => isTime(stderr))])
    child.stdin?.end('over\n')
  }
  const { stdout } = await running
  return JSON.parse(stdout) as Told
}

// What a process waits for here has at least a second left.
const ended = (told: Told, call = task.label): void => {
  expect(told.call).toBe(call)
  expect(told.waitedOnMs).toBeLessThan(500)
}

/** Answers the first query, for a second, and is silent from then on. */
function silentFromThenOn(): Promise<UdpServer> {
  let queries = 0
  return udpServer((query, reply) => {
    if (queries++ === 0) reply(response(query, { answers: [a(NAME, '127.0.1.1', 1)] }))
  })
}

interface Hanging {
  readonly url: string
  readonly requests: number
}

async function hanging(): Promise<Hanging> {
  let requests = 0
  const server = createServer(() => requests++).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests
    },
  }
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

describe('a script whose calls are done ends, without close(), and waits for nothing', () => {
  /** Longer than the test takes. */
  const timeoutMs = 25_000

  test('while DNS is silent over UDP', async () => {
    const dns = await silentFromThenOn()
    const options = { servers: [dns.server], timeoutMs }
    ended(await play({ discovery: 'dns', dns: options }, { until: () => dns.asked.length === 2 }))
    expect(dns.asked).toHaveLength(2)
  })

  test('while DNS is silent over TCP', async () => {
    const dns = await silentFromThenOn()
    const tcp = await tcpServer(dns.port, () => undefined)
    // TCP has its turn when that time is over, and then this time.
    const options = { servers: [dns.server], timeoutMs: 1_500 }
    ended(await play({ discovery: 'dns', dns: options }, { until: () => tcp.connections === 1 }))
    expect(tcp.connections).toBe(1)
  })

  test('while the API hangs, in its poll', async () => {
    const api = await apiServer(hangsFromThenOn())
    const isPolling = (): boolean => api.calls.length > 1
    ended(await play({ discovery: 'api', ...apiOptions(api.endpoint) }, { until: isPolling }))
  })

  test('while the API hangs from the start, and DNS has answered instead', async () => {
    const dns = await udpServer((query, reply) => reply(response(query, { answers: [a(NAME, '127.0.1.1')] })))
    const { url } = await hanging()
    ended(await play({ ...apiOptions(url), dns: { servers: [dns.server], timeoutMs } }))
  })

  test('while the endpoint of the task role hangs, and DNS has answered instead', async () => {
    const dns = await udpServer((query, reply) => reply(response(query, { answers: [a(NAME, '127.0.1.1')] })))
    const role = await hanging()
    const env = {
      AWS_CONTAINER_CREDENTIALS_FULL_URI: role.url,
      AWS_REGION: 'eu-west-1',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null/none',
      AWS_CONFIG_FILE: '/dev/null/none',
    }
    // Each request has a second.
    const isAsked = (): boolean => role.requests > 1
    ended(await play({ dns: { servers: [dns.server], timeoutMs } }, { env, until: isAsked }))
  })

  test('while the metadata of the task hang', async () => {
    const dns = await udpServer((query, reply) => reply(response(query, { answers: [a(NAME, '127.0.1.1')] })))
    const metadata = await hanging()
    const env = { ECS_CONTAINER_METADATA_URI_V4: `${metadata.url}/v4/x` }
    const isAsked = (): boolean => metadata.requests > 0
    const options = { servers: [dns.server], timeoutMs }
    ended(await play({ discovery: 'dns', dns: options }, { env, until: isAsked }))
  })

  test('while a resolver of its own hangs', async () => {
    const isAsked = (stderr: string): boolean => stderr.includes('the second lookup')
    ended(await play({}, { script: { own: task.label }, until: isAsked }))
  })

  test('while a lookup goes on that its call has given up', async () => {
    const dns = await udpServer(() => undefined)
    const options = { servers: [dns.server], timeoutMs }
    ended(await play({ discovery: 'dns', dns: options }, { script: { abortMs: 300 } }), 'TimeoutError')
  })
})

describe('a script whose call waits for a lookup lives until it is there', () => {
  test('over DNS', async () => {
    const dns = await udpServer((query, reply) =>
      setTimeout(() => reply(response(query, { answers: [a(NAME, '127.0.1.1')] })), 600),
    )
    ended(await play({ discovery: 'dns', dns: { servers: [dns.server], timeoutMs: 25_000 } }))
  })

  test('over the API', async () => {
    const once = hangsFromThenOn()
    const api = await apiServer((reply, call) => setTimeout(() => once(reply, call), 600))
    ended(await play({ discovery: 'api', ...apiOptions(api.endpoint) }))
  })
})

/**
 * The first calls of a process in `auto`, with A records and no port: only the Cloud Map API knows the port, and the AWS SDK may
 * take seconds to load. Processes of their own, with the real SDK, against the local AWS and tasks of this one.
 */
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { createClient, type ClientOptions } from 'onehop'
import { OnehopHttpAgent } from 'onehop/http'
import { connect, lookupOf } from 'onehop/net'
import { startLocalAws, type LocalAws } from 'onehop/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { resources } from '../../support/resources.ts'
import { allowForProcesses, runNode } from '../../support/processes/programs.ts'
import type { ColdStart, ColdStarted } from '../../support/processes/cold-start.ts'
import type { TestServer } from '../../support/servers.ts'

const HOST = 'orders.shop.local'
/** As long as calls wait for ports beyond the second that all wait: docs/decisions/025. */
const WAIT_MS = 3_000
const URL_WITHOUT_PORT = `http://${HOST}/`
const PROGRAM = fileURLToPath(new URL('../../support/processes/cold-start.ts', import.meta.url))
const { keep, servers } = resources()
allowForProcesses()
let aws: LocalAws
let task: TestServer
let options: ClientOptions

beforeEach(async () => {
  aws = keep(await startLocalAws())
  const [server] = await servers(1)
  if (server === undefined) throw new Error('no server')
  task = server
  for (const host of [HOST, 'carts.shop.local']) {
    aws.addService(host, { ttlSeconds: 5 })
    aws.register(host, 'task-1', { ipv4: '127.0.1.1', port: task.port })
  }
  options = {
    namespaces: ['shop.local'],
    allowLoopback: true,
    dns: { servers: [aws.dns.server] },
    cloudMap: cloudMapOf(aws),
    retry: false,
  }
})

/** Runs the process, on the Node that runs this. */
async function start({ options: more, ...coldStart }: Partial<ColdStart> = {}): Promise<ColdStarted> {
  const whole: ColdStart = {
    urls: [[URL_WITHOUT_PORT]],
    sdkMs: 0,
    ...coldStart,
    options: { ...options, ...more },
  }
  const { stdout } = await runNode([
    ...['--disable-warning=ExperimentalWarning', PROGRAM, JSON.stringify(whole)],
  ])
  return JSON.parse(stdout) as ColdStarted
}

/** What a process can be given as JSON. */
function cloudMapOf({ cloudMap: { region, endpoint, credentials } }: LocalAws): ClientOptions['cloudMap'] {
  return { region, endpoint, credentials }
}

function gotOf({ calls }: ColdStarted): readonly string[] {
  return calls.flat().map(({ got }) => got)
}

describe('the first calls without a port get the port of the API', () => {
  test('when the AWS SDK takes 2.5 s to load', async () => {
    const told = await start({
      sdkMs: 2_500,
      urls: [[URL_WITHOUT_PORT, URL_WITHOUT_PORT, 'http://carts.shop.local/']],
    })
    expect(gotOf(told)).toEqual([task.label, task.label, task.label])
  })

  test('when the API takes 2 s to answer', async () => {
    aws.cloudMap.faults.delayMs = 2_000
    expect(gotOf(await start())).toEqual([task.label])
  })

  test('with a port in the URL, they do not wait so long', async () => {
    aws.cloudMap.faults.delayMs = 20_000
    const [[call] = []] = (await start({ urls: [[`http://${HOST}:${task.port}/`]] })).calls
    expect(call?.got).toBe(task.label)
    expect(call?.ms).toBeLessThan(WAIT_MS)
  })
})

describe('an API that does not answer', () => {
  test('costs the wait once; then calls go to the port of the scheme, and say so', async () => {
    aws.cloudMap.faults.answer = 'hang'
    const urls = [[URL_WITHOUT_PORT], [URL_WITHOUT_PORT], ['http://carts.shop.local/']]
    const { calls, warnings } = await start({ urls })
    const [first, second, other] = calls.flat()
    expect(first?.got).toContain('127.0.1.1:80')
    expect(first?.ms).toBeGreaterThan(WAIT_MS)
    expect(second?.ms).toBeLessThan(WAIT_MS)
    expect(other?.ms).toBeLessThan(WAIT_MS)
    expect(warnings[0]).toMatch(/^DNS is asked instead/)
    expect(warnings[0]).toContain('port 80')
  })

  test('costs nothing where it denies access', async () => {
    aws.cloudMap.faults.answer = 'deny'
    const { calls, warnings } = await start()
    expect(calls[0]?.[0]?.got).toContain('127.0.1.1:80')
    expect(calls[0]?.[0]?.ms).toBeLessThan(WAIT_MS)
    expect(warnings[0]).toContain('port 80')
  })
})

describe('the AWS SDK', () => {
  test('is loaded as soon as a client is made that will ask the API, and not before', async () => {
    for (const discovery of ['auto', 'api'] as const) {
      const { loaded } = await start({ options: { discovery }, idleMs: 300, urls: [] })
      expect(loaded).toEqual({ byImport: false, byClient: true, beforeCall: true })
    }
  })

  test.each<[string, ClientOptions]>([
    ['DNS alone', { discovery: 'dns' }],
    ['no namespace, whose services DNS finds', { namespaces: [], services: { [HOST]: {} } }],
  ])('is not loaded for %s', async (_, written) => {
    const { loaded } = await start({ options: written, idleMs: 300, urls: [] })
    expect(loaded.beforeCall).toBe(false)
  })

  test('is left to the first lookup in onehop/auto: telemetry may come after it, and must see the SDK load', async () => {
    const hooks = `
      import { registerHooks } from 'node:module'
      registerHooks({
        resolve(name, context, next) {
          if (name.startsWith('@aws-sdk/')) globalThis.isSdkRequested = true
          return next(name, context)
        },
      })`
    const app = `
      await new Promise((resolve) => setTimeout(resolve, 500))
      const before = globalThis.isSdkRequested === true
      await fetch('${URL_WITHOUT_PORT}').catch(() => undefined)
      console.log(before, globalThis.isSdkRequested === true)`
    const { stdout } = await runNode(
      [
        '--disable-warning=ExperimentalWarning',
        ...['--import', `data:text/javascript,${encodeURIComponent(hooks)}`, '--import', 'onehop/auto'],
        ...['--input-type=module', '-e', app],
      ],
      { ...process.env, ...aws.env, ONEHOP_NAMESPACES: 'shop.local', ONEHOP_DNS_SERVERS: aws.dns.server },
    )
    expect(stdout).toBe('false true\n')
  })

  test('that is not installed leaves the calls to DNS, without an unhandled rejection', async () => {
    const { calls, unhandled, warnings } = await start({
      sdkMs: undefined,
      options: { port: task.port },
      idleMs: 100,
    })
    expect(calls[0]?.[0]?.got).toBe(task.label)
    expect(unhandled).toBe(0)
    expect(warnings[0]).toContain('Cannot find package')
    expect(warnings[0]).not.toContain('port 80')
  })

  test('that is not installed, and a client that is closed at once: no rejection either', async () => {
    const { unhandled } = await start({ sdkMs: undefined, closes: true, urls: [] })
    expect(unhandled).toBe(0)
  })
})

describe('in this process', () => {
  test('resolve() waits for ports, too; not where the option names one', async () => {
    aws.cloudMap.faults.delayMs = 2_000
    const without = keep(createClient(options))
    const withPort = keep(createClient({ ...options, port: task.port }))
    const [waited, early] = await Promise.all([without.resolve(HOST), withPort.resolve(HOST)])
    expect(waited.endpoints).toMatchObject([{ port: task.port }])
    expect(early).toMatchObject({ endpoints: [{ port: undefined }], awaitsPorts: true })
  })

  test('the doors wait for ports as calls do; a lookup of addresses, whose caller has a port, does not', async () => {
    aws.cloudMap.faults.delayMs = 2_500
    const client = keep(createClient(options))
    const agent = new OnehopHttpAgent(client)
    const answered = once(get(URL_WITHOUT_PORT, { agent }), 'response') as Promise<[IncomingMessage]>
    const socket = connect(client, { host: HOST })
    const connected = once(socket, 'connect')
    const secure = client.acquire(`https://${HOST}`)
    let isPortKnown = false
    void Promise.resolve(secure).then(() => (isPortKnown = true))
    const address = await new Promise((resolve, reject) =>
      lookupOf(client)(HOST, {}, (error, found) => (error === null ? resolve(found) : reject(error))),
    )
    expect(address).toBe('127.0.1.1')
    expect(isPortKnown).toBe(false)
    const [response] = await answered
    expect(await text(response)).toBe(task.label)
    await connected
    expect(socket.remotePort).toBe(task.port)
    socket.destroy()
    const lease = await secure
    expect(lease.port).toBe(task.port)
    lease.end()
    agent.destroy()
  })

  test('a caller with a deadline, or one that aborts, does not wait longer than that', async () => {
    aws.cloudMap.faults.answer = 'hang'
    const client = keep(createClient({ ...options, timeouts: { deadlineMs: 1_500 } }))
    const begunAt = performance.now()
    await expect(client.request(URL_WITHOUT_PORT)).rejects.toThrow('ONEHOP_DEADLINE_EXCEEDED')
    await expect(client.request(URL_WITHOUT_PORT, { signal: AbortSignal.timeout(300) })).rejects.toThrow(
      'timeout',
    )
    expect(performance.now() - begunAt).toBeLessThan(1_000 + WAIT_MS)
  })

  test('an acquire waits for ports, and can be aborted meanwhile', async () => {
    // Between the abort and the end of the wait.
    aws.cloudMap.faults.delayMs = 2_600
    const client = keep(createClient(options))
    const abort = new AbortController()
    const aborted = expect(client.acquire(`http://${HOST}`, { signal: abort.signal })).rejects.toThrow('gone')
    const lease = client.acquire(`http://${HOST}`)
    setTimeout(() => abort.abort(new Error('gone')), 1_200)
    await aborted
    const acquired = await lease
    expect(acquired.port).toBe(task.port)
    acquired.end()
  })
})

/** Requests of hosts that are not discovered. What an environment variable sets is in test/integration/global-dispatcher.test.ts. */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:https'
import { createClient, type Client, type ClientOptions } from 'onehop'
import { Agent, errors, getGlobalDispatcher, MockAgent, setGlobalDispatcher, type Dispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { DiscoveryDispatcher, type Routes } from '../../../../src/dispatch/dispatcher.ts'
import { PassThrough } from '../../../../src/dispatch/passthrough/passthrough.ts'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import { ca, cert, key } from '../../../support/transports/tls.ts'

const { keep, servers } = resources()
const CLIENT: ClientOptions = { namespaces: ['shop.local'] }
/** No dispatcher is global: the client has its own. */
const NO_GLOBALS = { legacy: undefined, current: undefined }

const NO_ROUTES: Routes = {
  find: () => undefined,
  close: async () => undefined,
  destroy: async () => undefined,
}

const before = getGlobalDispatcher()
afterEach(() => setGlobalDispatcher(before))

function clientWith(options: ClientOptions = {}): Client {
  return keep(createClient({ ...CLIENT, ...options }))
}

/** Keeps what it is asked for, and passes it on. */
class Recorder extends Agent {
  readonly asked: string[] = []
  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    this.asked.push(String(options.origin))
    return super.dispatch(options, handler)
  }
}

async function recorder(): Promise<Recorder> {
  const agent = new Recorder()
  keep({ [Symbol.asyncDispose]: () => agent.destroy() })
  return agent
}

const WAYS: [string, (client: Client, url: string) => Promise<string>][] = [
  ['client.fetch', async (client, url) => (await client.fetch(url)).text()],
  ['client.request', async (client, url) => (await client.request(url)).body.text()],
  [
    'the built-in fetch with a dispatcher',
    async (client, url) => (await fetch(url, { dispatcher: client.dispatcher } as never)).text(),
  ],
  [
    'the built-in fetch after setGlobalDispatcher',
    async (client, url) => {
      setGlobalDispatcher(client.dispatcher)
      return (await fetch(url)).text()
    },
  ],
]

describe.each(WAYS)('by %s, hosts that are not discovered go', (_name, call) => {
  test('where the dispatcher sends them that was global when the client was made', async () => {
    const [other] = await servers(1)
    const agent = await recorder()
    setGlobalDispatcher(agent)
    const client = clientWith()
    setGlobalDispatcher(before)
    expect(await call(client, `http://${other?.label}/`)).toBe(other?.label)
    expect(agent.asked).toEqual([`http://${other?.label}`])
  })

  test('to an Agent with its own certificate authority', async () => {
    const server = createTlsServer({ cert, key }, (_request, response) => response.end('private'))
    await once(server.listen(0, '127.0.1.1'), 'listening')
    keep({ [Symbol.asyncDispose]: () => closed(server) })
    const agent = new Agent({ connect: { ca, servername: 'balancer.shop.example' } })
    keep({ [Symbol.asyncDispose]: () => agent.destroy() })
    setGlobalDispatcher(agent)
    const client = clientWith()
    setGlobalDispatcher(before)
    expect(await call(client, `https://127.0.1.1:${(server.address() as AddressInfo).port}/`)).toBe('private')
  })

  test('to a MockAgent', async () => {
    const mock = new MockAgent()
    keep({ [Symbol.asyncDispose]: () => mock.close() })
    mock.disableNetConnect()
    mock.get('http://other.example').intercept({ path: '/' }).reply(200, 'mocked')
    setGlobalDispatcher(mock)
    const client = clientWith()
    setGlobalDispatcher(before)
    expect(await call(client, 'http://other.example/')).toBe('mocked')
  })

  test('to the dispatcher that passthrough names, whatever is global', async () => {
    const [other] = await servers(1)
    const agent = await recorder()
    const mock = new MockAgent()
    keep({ [Symbol.asyncDispose]: () => mock.close() })
    mock.disableNetConnect()
    setGlobalDispatcher(mock)
    const client = clientWith({ passthrough: agent })
    expect(await call(client, `http://${other?.label}/`)).toBe(other?.label)
    expect(agent.asked).toHaveLength(1)
  })

  test('through another client that is global, and past it once it is closed', async () => {
    const [task, other] = await servers(2)
    const agent = await recorder()
    setGlobalDispatcher(agent)
    const first = clientOf([task?.label ?? ''])
    setGlobalDispatcher(first.dispatcher)
    const second = clientWith({ namespaces: ['other.local'] })
    setGlobalDispatcher(before)
    expect(await call(second, `${ORIGIN}/`)).toBe(task?.label)
    await first.close()
    expect(await call(second, `http://${other?.label}/`)).toBe(other?.label)
    expect(agent.asked).toEqual([`http://${other?.label}`])
  })

  test('nowhere else than discovered ones: those go to their tasks', async () => {
    const [task] = await servers(1)
    const agent = await recorder()
    const client = keep(clientOf([task?.label ?? ''], { passthrough: agent }))
    expect(await call(client, `${ORIGIN}/`)).toBe(task?.label)
    expect(agent.asked).toEqual([])
  })
})

test.each([[null], ['http://proxy'], [{}], [() => undefined]])('passthrough: %o is refused', (value) => {
  expect(() => createClient({ passthrough: value as never })).toThrow(
    /^\[ONEHOP_INVALID_OPTIONS\] passthrough.*a dispatcher of undici, e\.g\. new ProxyAgent\(url\)/,
  )
})

describe('the end of a client', () => {
  // Of its own, and of somebody else: calls end alike, and only its own dispatcher is closed.
  let agent: Agent
  beforeEach(async () => {
    agent = await recorder()
  })
  const owners: [string, () => PassThrough][] = [
    ['its own dispatcher', () => new PassThrough(NO_GLOBALS)],
    ['a dispatcher of somebody else', () => new PassThrough({ legacy: agent, current: agent })],
  ]

  test.each(owners)('waits for a call under way through %s', async (_name, make) => {
    let answer: (() => void) | undefined
    const [other] = await servers(1, (_request, response) => {
      answer = () => void response.end('late')
    })
    const through = make()
    const reply = request(through, `http://${other?.label}`)
    await expect.poll(() => answer).toBeDefined()
    let isClosed = false
    const ended = through.close().then(() => (isClosed = true))
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
    expect(isClosed).toBe(false)
    answer?.()
    expect(await reply).toBe('late')
    await ended
  })

  test.each(owners)('destroy cuts a call under way through %s, with its error', async (_name, make) => {
    const [other] = await servers(1, () => undefined)
    const through = make()
    const cut = request(through, `http://${other?.label}`).catch((error: unknown) => error)
    const silent = request(through, `http://${other?.label}`).catch((error: unknown) => error)
    await expect.poll(() => other?.seen.length).toBe(2)
    const reason = new Error('enough')
    await through.destroy(reason)
    expect(await cut).toBe(reason)
    expect(await silent).toBe(reason)
    await through.close()
  })

  test('destroy cuts a call that waits for its connection, and nothing comes of it later', async () => {
    let connected: ((error: Error | null, socket: Socket | null) => void) | undefined
    const slow = new Agent({ connect: (_options, callback) => (connected = callback as typeof connected) })
    const through = new PassThrough({ legacy: slow, current: slow })
    const cut = request(through, 'http://other.example').catch((error: unknown) => error)
    await expect.poll(() => connected).toBeDefined()
    await through.destroy()
    expect(await cut).toBeInstanceOf(errors.ClientDestroyedError)
    await through.close()
    connected?.(new Error('refused'), null)
    await slow.destroy()
  })

  test.each(owners)('close ends when destroy cuts what it waits for, through %s', async (_name, make) => {
    const [other] = await servers(1, () => undefined)
    const through = make()
    const dispatcher = new DiscoveryDispatcher(NO_ROUTES, through)
    const cut = request(dispatcher, `http://${other?.label}`).catch((error: unknown) => error)
    await expect.poll(() => other?.seen.length).toBe(1)
    const ended = dispatcher.close()
    await dispatcher.destroy()
    await ended
    expect(await cut).toBeInstanceOf(errors.ClientDestroyedError)
  })

  test('leaves a dispatcher of somebody else open', async () => {
    const [other] = await servers(1)
    const client = createClient({ ...CLIENT, passthrough: agent })
    await (await client.fetch(`http://${other?.label}/`)).text()
    await client.close()
    await client.dispatcher.destroy()
    expect([agent.closed, agent.destroyed]).toEqual([false, false])
  })
})

test('a handler that lacks what the request needs is refused as undici refuses it', async () => {
  const through = new PassThrough(NO_GLOBALS)
  const client = clientWith()
  let told: Error | undefined
  const handler = {
    onRequestStart: () => undefined,
    onResponseError: (_controller: unknown, error: Error) => (told = error),
  }
  client.dispatcher.dispatch({ origin: 'http://other.example', path: '/', method: 'GET' }, handler)
  expect(told).toMatchObject({ name: 'InvalidArgumentError', message: 'invalid onResponseStart method' })
  await through.close()
})

/** The body of a GET. */
async function request(dispatcher: Dispatcher, origin: string): Promise<string> {
  const { body } = await dispatcher.request({ origin, path: '/', method: 'GET' })
  return body.text()
}

function closed(server: {
  close(callback: () => void): unknown
  closeAllConnections(): void
}): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

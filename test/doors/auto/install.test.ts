/** `install` in this process, whose `http` and undici's global dispatcher are those of the tests themselves. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { once } from 'node:events'
import http, { type Agent, type AgentOptions } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { createHash } from 'node:crypto'
import type { Client } from 'onehop'
import { OnehopHttpAgent } from 'onehop/http'
import { install, installedClient, type InstallOptions } from 'onehop/install'
import { getGlobalDispatcher, interceptors, MockAgent, request, setGlobalDispatcher } from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { eventsOf } from '../../support/events.ts'
import { answered } from '../../support/http-requests.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress, type TestServer } from '../../support/servers.ts'
import { https as httpsServer, secureTasks } from '../../support/transports/secure-servers.ts'
import { ca } from '../../support/transports/tls.ts'
import { load } from './packages/load.ts'

const { keep, servers } = resources()

const SYMBOLS = [1, 2].map((version) => Symbol.for(`undici.globalDispatcher.${version}`))
const METHODS = ['addRequest', 'createSocket', 'createConnection']

/** All that `install` replaces. */
function replaceable(): unknown[] {
  const of = (object: object, names: readonly PropertyKey[]): unknown[] =>
    names.map((name) => Reflect.get(object, name))
  return [
    ...of(globalThis, SYMBOLS),
    ...of(http.Agent.prototype, METHODS),
    ...of(https.Agent.prototype, METHODS),
  ]
}

// Node loads its own undici with the first use.
void globalThis.Headers
const before = replaceable()
const installs: Disposable[] = []

beforeEach(() => expect(replaceable()).toEqual(before))
afterEach(() => {
  for (const end of installs.splice(0)) end[Symbol.dispose]()
  expect(replaceable()).toEqual(before)
  expect(installedClient()).toBe(undefined)
})

function installed(client: Client, options?: InstallOptions): Disposable {
  const ends = install(client, options)
  installs.push(ends)
  return ends
}

/** A client whose only task is a server that says what was asked of it. */
async function world(options?: InstallOptions): Promise<{
  readonly client: Client
  readonly task: TestServer
  readonly other: TestServer
  readonly ends: Disposable
}> {
  const say = (name: string) => (incoming: http.IncomingMessage, response: http.ServerResponse) => {
    response.setHeader('x-agent', String(incoming.headers['proxy-authorization']))
    response.end(`${name} ${incoming.method} ${incoming.url} ${incoming.headers.host}`)
  }
  const [task, other] = (await servers(2)) as [TestServer, TestServer]
  task.answer = say('task')
  other.answer = say('other')
  const client = keep(clientOf([task]))
  return { client, task, other, ends: installed(client, options) }
}

const BY_UNDICI: Readonly<Record<string, (url: string) => Promise<string>>> = {
  fetch: async (url) => (await fetch(url)).text(),
  'npm undici': async (url) => (await request(url)).body.text(),
}
const BY_HTTP: Readonly<Record<string, (url: string) => Promise<string>>> = {
  'http.get': async (url) => (await answered(http.get(url))).text,
  'an agent of one’s own': async (url) => {
    const agent = new http.Agent({ keepAlive: true })
    const { text } = await answered(http.get(url, { agent }))
    agent.destroy()
    return text
  },
  'agent: false': async (url) => (await answered(http.get(url, { agent: false }))).text,
  'a subclass that connects as Node does': async (url) => {
    class Own extends http.Agent {
      override getName(options = {}): string {
        return `${super.getName(options)}:own`
      }
    }
    const agent = new Own({ keepAlive: true })
    const { text } = await answered(http.get(url, { agent }))
    agent.destroy()
    return text
  },
}

describe.each(Object.entries({ ...BY_UNDICI, ...BY_HTTP }))('%s', (name, call) => {
  test('goes to the tasks of discovered hosts, and elsewhere as before', async () => {
    const { other } = await world()
    expect(await call(`${ORIGIN}/x?y=1`)).toBe('task GET /x?y=1 orders.shop.local')
    expect(await call(`http://${other.label}/x`)).toBe(`other GET /x ${other.label}`)
  })

  test('is as before where it is not to be intercepted, and afterwards', async () => {
    const { ends, client } = await world(name in BY_UNDICI ? { fetch: false } : { http: false })
    await expect(call(ORIGIN)).rejects.toThrow()
    ends[Symbol.dispose]()
    const again = installed(client)
    expect(await call(ORIGIN)).toContain('task GET /')
    again[Symbol.dispose]()
    await expect(call(ORIGIN)).rejects.toThrow()
  })
})

describe('disposal', () => {
  test('leaves what others have put over ours, which goes on without onehop', async () => {
    const { ends, other } = await world()
    const over = getGlobalDispatcher().compose(interceptors.redirect({ maxRedirections: 1 }))
    setGlobalDispatcher(over)
    const { addRequest } = http.Agent.prototype as unknown as { addRequest(...given: unknown[]): void }
    let traced = 0
    const wrapper = function (this: Agent, ...given: unknown[]): void {
      traced++
      addRequest.apply(this, given)
    }
    Object.assign(http.Agent.prototype, { addRequest: wrapper })
    try {
      for (const call of Object.values({ ...BY_UNDICI, ...BY_HTTP }))
        expect(await call(ORIGIN)).toContain('task GET /')
      const count = traced
      expect(count).toBe(Object.keys(BY_HTTP).length)
      ends[Symbol.dispose]()
      expect(getGlobalDispatcher()).toBe(over)
      expect(Reflect.get(http.Agent.prototype, 'addRequest')).toBe(wrapper)
      for (const call of Object.values({ ...BY_UNDICI, ...BY_HTTP })) {
        await expect(call(ORIGIN)).rejects.toThrow()
        expect(await call(`http://${other.label}`)).toContain('other GET /')
      }
      expect(traced).toBe(3 * count)
    } finally {
      for (const [index, symbol] of SYMBOLS.entries()) Reflect.set(globalThis, symbol, before[index])
      Object.assign(http.Agent.prototype, { addRequest: before[SYMBOLS.length] })
    }
  })

  test('twice does nothing, and requests that wait then still get their connection', async () => {
    const { ends } = await world()
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    const calls = [1, 2, 3].map((id) => answered(http.get(`${ORIGIN}/${id}`, { agent })))
    ends[Symbol.dispose]()
    ends[Symbol.dispose]()
    expect((await Promise.all(calls)).map(({ text }) => text.split(' ')[2])).toEqual(['/1', '/2', '/3'])
    agent.destroy()
  })
})

describe('wrong arguments', () => {
  const wrong: [string, unknown, unknown][] = [
    ['client', undefined, {}],
    ['client', {}, {}],
    ['options', 'client', 'fetch'],
    ['options', 'client', { ftech: true }],
    ['fetch', 'client', { fetch: 'yes' }],
    ['http', 'client', { http: 1 }],
    ['mode', 'client', { mode: 'none' }],
    ['http', 'client', { fetch: false, http: false }],
  ]
  test.each(wrong)('%s is named, and nothing is installed', (option, given, options) => {
    const client = given === 'client' ? keep(clientOf(['127.0.1.1:80'])) : given
    expect(() => install(client as Client, options as never)).toThrow(
      expect.objectContaining({ code: 'ONEHOP_INVALID_OPTIONS', option }) as never,
    )
  })

  test('a second client has to wait for the end of the first', async () => {
    const { client, ends } = await world()
    expect(installedClient()).toBe(client)
    const second = keep(clientOf(['127.0.1.1:80']))
    expect(() => install(second)).toThrow('another is installed')
    ends[Symbol.dispose]()
    installed(second)[Symbol.dispose]()
  })
})

describe('what is not ours', () => {
  test('a mock that was set before mocks other hosts, and one that is set later all', async () => {
    const earlier = new MockAgent()
    earlier.disableNetConnect()
    earlier.get('http://elsewhere.example').intercept({ path: '/' }).reply(200, 'mocked').times(2)
    setGlobalDispatcher(earlier)
    const { ends } = await world()
    for (const call of Object.values(BY_UNDICI)) {
      expect(await call('http://elsewhere.example/')).toBe('mocked')
      expect(await call(ORIGIN)).toContain('task GET /')
      await expect(call('http://another.example/')).rejects.toThrow()
    }
    const later = new MockAgent()
    later.get(ORIGIN).intercept({ path: '/' }).reply(200, 'mocked').times(2)
    setGlobalDispatcher(later)
    for (const call of Object.values(BY_UNDICI)) expect(await call(ORIGIN)).toBe('mocked')
    ends[Symbol.dispose]()
    expect(getGlobalDispatcher()).toBe(later)
    for (const [index, symbol] of SYMBOLS.entries()) Reflect.set(globalThis, symbol, before[index])
    await Promise.all([earlier.close(), later.close()])
  })

  test('agents that connect by themselves, or to an address of their own, are left alone', async () => {
    const { client, task, other } = await world()
    const { default: KeepAliveAgent } = await load<{ default: new (options: object) => Agent }>(
      'agentkeepalive',
    )
    const { HttpsProxyAgent } = await load<{ HttpsProxyAgent: new (url: string) => Agent }>(
      'https-proxy-agent',
    )
    class Own extends http.Agent {
      override createConnection(options: object, callback?: never): ReturnType<Agent['createConnection']> {
        return super.createConnection({ ...options, ...at(other) }, callback)
      }
    }
    const at = ({ label }: TestServer): { host: string; port: number } => {
      const [host = '', port] = label.split(':')
      return { host, port: Number(port) }
    }
    const lookup: AgentOptions['lookup'] = (_host, _options, callback) =>
      callback(null, [{ address: at(other).host, family: 4 }] as never)
    const { port } = at(other)
    const agents: Agent[] = [
      new Own(),
      new http.Agent(at(other)),
      new KeepAliveAgent({ lookup }),
      Object.assign(new http.Agent({ lookup }), {
        createConnection: (options: object) => process.getBuiltinModule('node:net').connect(options as never),
      }),
    ]
    for (const agent of agents) {
      const { text } = await answered(http.get(`${ORIGIN}:${port}/`, { agent }))
      expect(text).toContain('other GET /')
      agent.destroy()
    }
    const proxied = http.get(ORIGIN, { agent: new HttpsProxyAgent(`http://${other.label}`) })
    // The proxy of the test refuses tunnels.
    await expect(answered(proxied)).rejects.toThrow()
    expect(task.seen).toEqual([])
    // An agent of ours has its own client.
    const [second] = (await servers(1)) as [TestServer]
    const agent = new OnehopHttpAgent(keep(clientOf([second])))
    expect((await answered(http.get(ORIGIN, { agent }))).text).toBe(second.label)
    agent.destroy()
    expect(client.inspect().services).toEqual({})
  })

  test('Unix sockets are left alone', async () => {
    await world()
    const path = `\0onehop-install-${process.pid}`
    const server = http.createServer((_request, response) => response.end('unix')).listen(path)
    await once(server, 'listening')
    const { text } = await answered(http.get({ socketPath: path, host: 'orders.shop.local' }))
    expect(text).toBe('unix')
    server.close()
  })
})

test('connections that cannot be made go to other tasks, and https is verified against the name', async () => {
  const [task] = (
    await secureTasks([() => httpsServer((_request, response) => response.end('secure'), {})])
  ).map(keep)
  installed(keep(clientOf([await refusingAddress(), task?.label as string])))
  for (let count = 0; count < 4; count++) {
    const agent = new https.Agent({ ca })
    const call = https.request('https://orders.shop.local', { agent, method: 'POST' })
    expect((await answered(call)).text).toBe('secure')
  }
  installs.pop()?.[Symbol.dispose]()
  installed(keep(clientOf([task?.label as string])))
  await expect(answered(https.get('https://orders.shop.local'))).rejects.toMatchObject({
    code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  })
})

test('the caller’s async context survives retries, waits and connections of others', async () => {
  const [task] = (await servers(1)) as [TestServer]
  // Half of the attempts are refused, and half of the answers that follow are to be tried again.
  let count = 0
  task.answer = (_request, response) => void response.writeHead(count++ % 2 === 0 ? 503 : 200).end()
  installed(keep(clientOf([await refusingAddress(), task.label, task.label], { outlier: false })))
  const trace = new AsyncLocalStorage<number>()
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const stored: (number | undefined)[][] = []
  const byAgent = async (seen: (number | undefined)[]): Promise<void> => {
    const call = http.get(ORIGIN, { agent })
    call.on('socket', () => seen.push(trace.getStore()))
    const [response] = (await once(call, 'response')) as [http.IncomingMessage]
    response.resume().on('end', () => seen.push(trace.getStore()))
    await once(response, 'close')
  }
  const byFetch = async (seen: (number | undefined)[]): Promise<void> => {
    const response = await fetch(ORIGIN)
    seen.push(trace.getStore())
    await response.text()
  }
  await Promise.all(
    [0, 1, 2, 3, 4, 5, 6, 7].map((id) =>
      trace.run(id, async () => {
        const seen: (number | undefined)[] = (stored[id] = [])
        await (id % 2 === 0 ? byAgent(seen) : byFetch(seen))
        seen.push(trace.getStore())
      }),
    ),
  )
  expect(stored).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((id) => (id % 2 === 0 ? [id, id, id] : [id, id])))
  agent.destroy()
})

test('a WebSocket of Node’s own goes to a task', async () => {
  const server = http.createServer().on('upgrade', (incoming: http.IncomingMessage, socket) => {
    const accept = createHash('sha1')
      .update(`${incoming.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
      .digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    // One text frame.
    socket.write(Buffer.concat([Buffer.from([0x81, 5]), Buffer.from('hello')]))
  })
  server.listen(0, '127.0.1.1')
  await once(server, 'listening')
  installed(keep(clientOf([`127.0.1.1:${(server.address() as AddressInfo).port}`])))
  const socket = new WebSocket('ws://orders.shop.local/')
  const { data } = (await new Promise((resolve, reject) => {
    socket.addEventListener('message', resolve)
    socket.addEventListener('error', reject)
  })) as MessageEvent
  expect(data).toBe('hello')
  server.closeAllConnections()
  server.close()
})

describe('observing', () => {
  test('calls nothing else than before, and reports where calls would have gone', async () => {
    const { client, task, other, ends } = await world({ mode: 'observe' })
    const seen = eventsOf('onehop:call.observed')
    expect(replaceable()).toEqual(before)
    for (const call of Object.values({ ...BY_UNDICI, ...BY_HTTP })) {
      await expect(call(`${ORIGIN}/`)).rejects.toThrow()
      expect(await call(`http://${other.label}/`)).toContain('other GET /')
    }
    const counts = { fetch: Object.keys(BY_UNDICI).length, http: Object.keys(BY_HTTP).length }
    for (const [by, count] of Object.entries(counts))
      expect(seen.filter((event) => event.by === by)).toEqual(
        Array.from({ length: count }, () => ({
          ...{ host: 'orders.shop.local', method: 'GET', by, upstream: task.label, error: undefined },
        })),
      )
    expect(task.seen).toEqual([])
    expect(client.inspect()).toMatchObject({ callsUnderWay: 0 })
    ends[Symbol.dispose]()
    await expect(BY_HTTP['http.get']?.(ORIGIN)).rejects.toThrow()
    expect(seen).toHaveLength(counts.fetch + counts.http)
  })

  test('reports why a call would have failed', async () => {
    const client = keep(clientOf([]))
    installed(client, { mode: 'observe' })
    const seen = eventsOf('onehop:call.observed')
    for (const call of [BY_UNDICI['fetch'], BY_HTTP['http.get']])
      await expect(call?.(ORIGIN)).rejects.toThrow()
    expect(seen.map(({ by, upstream, error }) => [by, upstream, (error as { code?: string }).code])).toEqual([
      ['fetch', undefined, 'ONEHOP_NO_ENDPOINTS'],
      ['http', undefined, 'ONEHOP_NO_ENDPOINTS'],
    ])
  })
})

import { once } from 'node:events'
import { createClient, eventNames, InvalidOptionsError, type ClientOptions } from 'onehop'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../support/clients.ts'
import { allowForProcesses, runModule } from '../support/processes/programs.ts'
import { resources } from '../support/resources.ts'
import { startServers, type TestServer } from '../support/servers.ts'

allowForProcesses()
const { keep } = resources()

/** What a program prints, as JSON; it has to end by itself. */
async function run(program: string): Promise<unknown> {
  return JSON.parse(await runModule(program))
}

describe('close', () => {
  test('refuses new calls with ONEHOP_CLOSED, however they are made', async () => {
    const client = clientOf(['127.0.1.1:9'])
    await client.close()
    await expect(client.request(ORIGIN)).rejects.toMatchObject({ code: 'ONEHOP_CLOSED' })
    await expect(client.fetch(ORIGIN)).rejects.toMatchObject({ cause: { code: 'ONEHOP_CLOSED' } })
    await expect(client.resolve('orders.shop.local')).rejects.toMatchObject({ code: 'ONEHOP_CLOSED' })
    await expect(client.request('http://127.0.1.1:9/elsewhere')).rejects.toMatchObject({
      code: 'ONEHOP_CLOSED',
    })
  })

  test('waits for calls under way, and may be called twice', async () => {
    const started = Promise.withResolvers<() => void>()
    const [task] = await startServers(1, (_request, response) =>
      started.resolve(() => void response.end('late')),
    )
    const client = clientOf([keep(task as TestServer)])
    const call = client.request(ORIGIN).then(({ body }) => body.text())
    const answer = await started.promise
    let closed = false
    const closing = Promise.all([client.close(), client.close()]).then(() => (closed = true))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(closed).toBe(false)
    answer()
    expect(await call).toBe('late')
    await closing
  })

  test('refuses at once what still waits for discovery', async () => {
    const client = clientOf(new Promise(() => undefined))
    const call = client.request(ORIGIN)
    const refused = expect(call).rejects.toMatchObject({ code: 'ONEHOP_CLOSED' })
    await new Promise((resolve) => setImmediate(resolve))
    await client.close()
    await refused
  })

  test.each([ORIGIN, 'http://127.0.1.1:PORT'])('waits no longer than withinMs, %s', async (origin) => {
    const [silent] = await startServers(1, (_request, response) => void response.write('begun'))
    const client = clientOf([keep(silent as TestServer)])
    const url = origin.replace('PORT', String(silent?.port))
    const { body } = await client.request(url)
    const read = body.text().catch((error: Error) => error)
    await client.close({ withinMs: 50 })
    expect(await read).toBeInstanceOf(Error)
    await expect(client.close({ withinMs: -1 })).rejects.toThrow('close.withinMs: got -1')
  })

  test('inspect() counts the calls that are still under way', async () => {
    const [silent] = await startServers(1, () => undefined)
    const client = clientOf([keep(silent as TestServer)])
    const call = client.request(ORIGIN).catch((error: Error) => error)
    await expect.poll(() => silent?.seen.length).toBe(1)
    const closing = client.close({ withinMs: 200 })
    const { callsUnderWay, services } = client.inspect()
    expect(callsUnderWay).toBe(1)
    const origin = services['orders.shop.local']?.origins[ORIGIN]
    expect(origin).toMatchObject({ callsUnderWay: 1, upstreams: [{ upstream: silent?.label, pending: 1 }] })
    await closing
    expect(await call).toBeInstanceOf(Error)
  })

  test('destroy cuts calls on the wire and calls that wait to be retried', async () => {
    const [silent] = await startServers(1, (request, response) => {
      if (request.url !== '/busy') return
      response.writeHead(503, { 'retry-after': '5' })
      response.end()
    })
    const client = clientOf([keep(silent as TestServer)], { retry: { on: () => true } })
    const calls = [client.request(`${ORIGIN}/`), client.request(`${ORIGIN}/busy`)]
    const settled = Promise.allSettled(calls)
    await expect.poll(() => silent?.seen.length).toBe(2)
    await client.dispatcher.destroy()
    expect((await settled).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(client.inspect().callsUnderWay).toBe(0)
    await client.close()
  })

  test('leaves nothing open: a process that used a client and closed it ends by itself', async () => {
    const program = `
      import { createServer } from 'node:http'
      import { once } from 'node:events'
      import { createClient, staticResolver } from 'onehop'
      const server = createServer((request, response) => response.end('hello')).listen(0, '127.0.1.1')
      await once(server, 'listening')
      const client = createClient({
        namespaces: ['shop.local'],
        discovery: staticResolver({ 'orders.shop.local': ['127.0.1.1:' + server.address().port, '127.0.1.250:9'] }),
      })
      for (let i = 0; i < 10; i++) await (await client.fetch('http://orders.shop.local/')).text()
      await client.close()
      await new Promise((resolve) => server.close(resolve))
      // Handles are taken off the list in the turn after they closed.
      for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
      console.log(JSON.stringify(process.getActiveResourcesInfo().filter((name) => !/Pipe|TTY|FSReq/.test(name))))
    `
    expect(await run(program)).toEqual([])
  })
})

describe('a process that has nothing else to do', () => {
  test('does not end while a call waits for its next attempt', async () => {
    const program = `
      import { createClient, staticResolver } from 'onehop'
      const client = createClient({
        namespaces: ['shop.local'],
        discovery: staticResolver({ 'orders.shop.local': ['127.0.1.250:9'] }),
        retry: { baseMs: 200 },
      })
      const outcome = await client.request('http://orders.shop.local/').catch((error) => error.code)
      console.log(JSON.stringify(outcome))
    `
    expect(await run(program)).toBe('ONEHOP_ATTEMPTS_EXHAUSTED')
  })

  test('ends although a client is open', async () => {
    const program = `
      import { createClient, staticResolver } from 'onehop'
      const resolver = staticResolver({ 'orders.shop.local': ['127.0.1.250:9'] })
      const client = createClient({
        namespaces: ['shop.local'],
        allowLoopback: true,
        discovery: { resolve: async (...args) => ({ ...(await resolver.resolve(...args)), expiresAt: performance.now() + 60_000 }) },
      })
      await client.resolve('orders.shop.local')
      console.log(JSON.stringify('known'))
    `
    expect(await run(program)).toBe('known')
  })
})

describe('undici around it', () => {
  test('streams, pipelines and composed interceptors work as over any dispatcher', async () => {
    const { interceptors } = await import('undici')
    const [task] = await startServers(1, (request, response) => {
      if (request.url === '/old') response.writeHead(302, { location: '/new' })
      response.end(`at ${request.url}`)
    })
    const client = keep(clientOf([keep(task as TestServer)]))
    const composed = client.dispatcher.compose(interceptors.redirect({ maxRedirections: 2 }))
    const { body } = await composed.request({ origin: ORIGIN, path: '/old', method: 'GET' })
    expect(await body.text()).toBe('at /new')
    const { PassThrough } = await import('node:stream')
    const sink = new PassThrough()
    await client.dispatcher.stream({ origin: ORIGIN, path: '/s', method: 'GET' }, () => sink)
    expect((sink.read() as Buffer).toString()).toBe('at /s')
  })

  test('an upgrade is made by the task that was picked', async () => {
    const { createServer } = await import('node:http')
    const server = createServer()
    server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nupgrade: echo\r\nconnection: upgrade\r\n\r\n')
      socket.pipe(socket)
    })
    server.listen(0, '127.0.1.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const client = clientOf([`127.0.1.1:${port}`])
    const { socket } = await client.dispatcher.upgrade({
      origin: ORIGIN,
      path: '/',
      protocol: 'echo',
    } as never)
    socket.write('ping')
    expect(((await once(socket, 'data')) as Buffer[])[0]?.toString()).toBe('ping')
    socket.destroy()
    await client.close()
    server.closeAllConnections()
    server.close()
  })
})

describe('resolve and inspect', () => {
  test('resolve gives the endpoints, from the cache once they are known', async () => {
    const client = keep(clientOf(['127.0.1.1:80', '127.0.1.2:80']))
    const snapshot = await client.resolve('orders.shop.local')
    expect(snapshot.endpoints.map(({ address }) => address)).toEqual(['127.0.1.1', '127.0.1.2'])
    expect(await client.resolve('Orders.Shop.Local.')).toBe(snapshot)
    expect(client.resolver.lookups).toHaveLength(1)
  })

  test('resolve refuses a host that is in no namespace, and says which there are', async () => {
    const client = keep(clientOf([]))
    await expect(client.resolve('orders.elsewhere.local')).rejects.toThrow(
      '[ONEHOP_INVALID_OPTIONS] host: got "orders.elsewhere.local"; allowed: a host under .shop.local, or a key of services',
    )
  })

  test.each([
    'http://orders.shop.local',
    'https://orders.shop.local/path',
    'orders.shop.local:8080',
    'orders.shop.local/',
    'a b.shop.local',
    '.shop.local',
    '',
    undefined,
    new URL('http://orders.shop.local'),
  ])('resolve takes no %j for a host, and asks for nothing', async (host) => {
    const client = keep(clientOf(['127.0.1.1:80']))
    await expect(client.resolve(host as string)).rejects.toThrow(
      expect.objectContaining({
        code: 'ONEHOP_INVALID_OPTIONS',
        message: expect.stringContaining('allowed: a host under .shop.local') as string,
      }),
    )
    expect(client.resolver.lookups).toEqual([])
  })

  test('inspect is plain JSON of endpoints, state and counts', async () => {
    const [task] = await startServers(1)
    const client = keep(clientOf([keep(task as TestServer)], { fallback: 'http://balancer.internal' }))
    await (await client.fetch(ORIGIN)).text()
    const told = JSON.parse(JSON.stringify(client.inspect())) as unknown
    expect(told).toMatchObject({
      callsUnderWay: 0,
      services: {
        'orders.shop.local': {
          source: 'scripted',
          endpoints: [task?.label],
          lookups: 1,
          failedLookups: 0,
          origins: {
            [ORIGIN]: {
              directShare: 1,
              retryBudget: 100,
              upstreams: [
                { upstream: task?.label, tier: 0, state: 'available', pending: 0, requests: 1, failures: 0 },
                { upstream: 'balancer.internal:80', tier: 1, requests: 0 },
              ],
            },
          },
        },
      },
    })
  })

  test('event names are those of the docs: onehop:<noun>.<verb>', () => {
    expect(eventNames.every((name) => /^onehop:[a-z]+\.[a-z-]+$/.test(name))).toBe(true)
  })
})

describe('options', () => {
  const refused: [string, unknown, string][] = [
    [
      'an unknown option',
      { namespace: ['shop.local'] },
      'namespace: no such option; did you mean namespaces? known: namespaces',
    ],
    [
      'an unknown option of a service',
      { services: { 'a.b': { retries: 3 } } },
      'services["a.b"].retries: no such option; did you mean retry? known: fallback',
    ],
    [
      'a fallback with a path',
      { fallback: 'http://alb.internal/api' },
      'fallback: got "http://alb.internal/api"; allowed: an http: or https: URL',
    ],
    ['a fallback that is no URL', { fallback: 'alb.internal' }, 'fallback: got "alb.internal"'],
    [
      'a fallback of another scheme',
      { fallback: { url: 'tcp://alb.internal' } },
      'fallback.url: got "tcp://alb.internal"',
    ],
    [
      'a negative time',
      { timeouts: { connectMs: -1 } },
      'timeouts.connectMs: got -1; allowed: an integer of ms from 1',
    ],
    [
      'a cap below the base',
      { retry: { baseMs: 500, maxDelayMs: 100 } },
      'retry.maxDelayMs: got 100; allowed: a number of ms from baseMs, which is 500',
    ],
    [
      'more hedges than calls',
      { hedge: { budget: { ratio: 5 } } },
      'hedge.budget.ratio: got 5; allowed: a number from 0 to 1',
    ],
    [
      'the id of a zone',
      { zone: { own: 'euw1-az1' } },
      'zone.own: got "euw1-az1"; allowed: the name of an availability zone',
    ],
    ['no attempts', { retry: { attempts: 0 } }, 'retry.attempts: got 0; allowed: an integer from 1 to 10'],
    ['a retry rule that is no function', { retry: { on: 503 } }, 'retry.on: got 503; allowed: a function'],
    [
      'a retry rule that is async',
      { retry: { on: async () => true } },
      'retry.on: got a function; allowed: a function (outcome, request) => boolean | undefined, not an async one',
    ],
    [
      'a namespace that is not a name',
      { namespaces: ['http://shop.local'] },
      'namespaces[0]: got "http://shop.local"; allowed: a domain name',
    ],
    [
      'namespaces that are not an array',
      { namespaces: 'shop.local' },
      'namespaces: got "shop.local"; allowed: an array',
    ],
    ['a port that is none', { services: { 'a.b': { port: 70_000 } } }, 'services["a.b"].port: got 70000'],
    [
      'one service twice',
      { services: { 'A.b': {}, 'a.b.': {} } },
      'services["a.b."]: got {}; allowed: one entry for each host',
    ],
    ['an outlier rule that is none', { outlier: { maxEjectedRatio: 50 } }, 'outlier.maxEjectedRatio: got 50'],
    ['a subset without a size', { subset: {} }, 'subset.size: got undefined; allowed: an integer from 1'],
    [
      'connections that are none',
      { pool: { connections: -1 } },
      'pool.connections: got -1; allowed: an integer from 0',
    ],
    [
      'a zone that is none',
      { zone: { own: '' } },
      'zone.own: got ""; allowed: the name of an availability zone',
    ],
    ['a subnet that is none', { zone: { subnets: ['10.0.0.0/33'] } }, 'zone.subnets[0]: got "10.0.0.0/33"'],
    ['peers that are none', { zone: { peers: 'a b' } }, 'zone.peers: got "a b"; allowed: a domain name'],
    ['a zone by name', { zone: 'prefer' }, 'zone: got "prefer"; allowed: false, or a plain object'],
    ['a slow start in words', { slowStartMs: '10s' }, 'slowStartMs: got "10s"; allowed: a number of ms'],
    ['a family that is none', { cloudMap: { family: 6 } }, 'cloudMap.family: got 6; allowed: "ipv4", "ipv6"'],
    ['reading never', { cloudMap: { fullReadMs: 0 } }, 'cloudMap.fullReadMs: got 0; allowed: '],
    [
      'discovery by nobody',
      { discovery: 'consul' },
      'discovery: got "consul"; allowed: "auto", "dns", "api", or a resolver with resolve()',
    ],
    [
      'a resolver that cannot resolve',
      { discovery: {} },
      'discovery.resolve: got undefined; allowed: "auto", "dns", "api", or a resolver',
    ],
    ['a balancer by name', { balancer: 'p2c' }, 'balancer: got "p2c"; allowed: a balancer'],
    ['a wrong CIDR', { allowAddresses: ['10.0.0.0/99'] }, 'allowAddresses[0]: got "10.0.0.0/99"'],
    ['a wrong DNS server', { dns: { servers: ['nameserver'] } }, 'dns.servers[0]: got "nameserver"'],
    ['a wrong DNS option', { dns: { timeout: 5 } }, 'dns.timeout: no such option; did you mean timeoutMs?'],
    ['a wrong API option', { cloudMap: { revisionMs: 'soon' } }, 'cloudMap.revisionMs: got "soon"'],
  ]
  test.each(refused)(
    '%s is refused at once, with what was given and what is allowed',
    (_what, options, message) => {
      const create = (): unknown => createClient(options as ClientOptions)
      expect(create).toThrow(InvalidOptionsError)
      expect(create).toThrow(message)
    },
  )

  test('a resolver of the user that throws is reported as a failed lookup', async () => {
    const client = keep(
      createClient({
        namespaces: ['shop.local'],
        discovery: {
          resolve() {
            throw new TypeError('a bug in my resolver')
          },
        },
      }),
    )
    await expect(client.request(ORIGIN)).rejects.toMatchObject({
      code: 'ONEHOP_RESOLUTION_FAILED',
      message: '[ONEHOP_RESOLUTION_FAILED] orders.shop.local: lookup failed: a bug in my resolver',
    })
  })
})

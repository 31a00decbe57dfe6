/** Who is blamed, over real sockets: state that calls share is not punished for what is one call's, or this process's. */
import type { IncomingMessage } from 'node:http'
import { createServer as createTcpServer, type Socket } from 'node:net'
import { gzipSync } from 'node:zlib'
import type { Client, ClientOptions, UpstreamInspection } from 'onehop'
import { manualClock } from 'onehop/testing'
import { describe, expect, test } from 'vitest'
import { clientOf as clientWith, ORIGIN } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import { http2, https, secureTasks } from '../../../support/transports/secure-servers.ts'
import { TestServer } from '../../../support/servers.ts'
import { ca, expired, selfSigned } from '../../../support/transports/tls.ts'

const { keep, servers } = resources()

/** No time passes: what a task is blamed for is not how long it took, and no probe is due. */
function clientOf(
  tasks: Parameters<typeof clientWith>[0],
  options: ClientOptions = {},
): ReturnType<typeof clientWith> {
  return clientWith(tasks, { clock: manualClock(), retry: { baseMs: 0 }, ...options })
}

function upstreams(client: Client, origin = ORIGIN): readonly UpstreamInspection[] {
  return client.inspect().services['orders.shop.local']?.origins[origin]?.upstreams ?? []
}

function expectNobodyBlamed(client: Client, origin = ORIGIN): void {
  expect(upstreams(client, origin).length).toBeGreaterThan(0)
  for (const upstream of upstreams(client, origin)) {
    expect(upstream).toMatchObject({ state: 'available', failures: 0, pending: 0 })
    // What fails fast counts as 1 s where it is held against a task.
    expect(upstream.latencyMs ?? 0).toBeLessThan(900)
  }
}

const attempts = (client: Client, origin = ORIGIN): number =>
  upstreams(client, origin).reduce((sum, { requests }) => sum + requests, 0)

/** Says the same on each connection, as soon as a request comes in. */
async function rawTask(
  address: string,
  port: number,
  answer: string,
): Promise<{ label: string; port: number }> {
  const sockets = new Set<Socket>()
  const server = createTcpServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', () => socket.write(answer))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, address, resolve)
  })
  keep({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  })
  const bound = (server.address() as { port: number }).port
  return { label: `${address}:${bound}`, port: bound }
}

describe('a limit of this process', () => {
  const overLimit = { 'x-long': 'v'.repeat(20_000) }

  test.each([{}, { maxHeaderSize: 1_000 }])(
    'response headers over it cost one attempt each, blame no task, and name the option (%o)',
    async (pool) => {
      const tasks = await servers(3, (_request, response) => {
        response.writeHead(200, overLimit).end('x')
      })
      const client = keep(clientOf(tasks, { pool }))
      for (let call = 1; call <= 20; call++) {
        await expect(client.request(ORIGIN)).rejects.toMatchObject({
          code: 'UND_ERR_HEADERS_OVERFLOW',
          message: expect.stringContaining('pool.maxHeaderSize'),
        })
        expect(attempts(client)).toBe(call)
      }
      expectNobodyBlamed(client)
    },
  )

  test('the same over https', async () => {
    const make = (): ReturnType<typeof https> =>
      https((_request, response) => void response.writeHead(200, overLimit).end('x'))
    const tasks = (await secureTasks([make, make])).map(keep)
    const client = keep(clientOf(tasks, { pool: { connect: { ca } } }))
    for (let call = 0; call < 10; call++)
      await expect(client.request('https://orders.shop.local/')).rejects.toThrow('pool.maxHeaderSize')
    expect(attempts(client, 'https://orders.shop.local')).toBe(10)
    expectNobodyBlamed(client, 'https://orders.shop.local')
  })

  test('with retries off, the error is the one of undici', async () => {
    const tasks = await servers(1, (_request, response) => void response.writeHead(200, overLimit).end('x'))
    const client = keep(clientOf(tasks, { retry: false }))
    await expect(client.request(ORIGIN)).rejects.toMatchObject({ message: 'Headers Overflow Error' })
    expectNobodyBlamed(client)
  })

  test('a response body over it blames no task, and the error names the option', async () => {
    const tasks = await servers(2, (_request, response) => void response.end('x'.repeat(2_000)))
    const client = keep(clientOf(tasks, { pool: { maxResponseSize: 1_000 } }))
    for (let call = 0; call < 20; call++) {
      const { body } = await client.request(ORIGIN)
      await expect(body.text()).rejects.toMatchObject({
        code: 'UND_ERR_RES_EXCEEDED_MAX_SIZE',
        message: expect.stringContaining('pool.maxResponseSize'),
      })
    }
    expectNobodyBlamed(client)
  })

  test('a body that cannot be decompressed is read once, and blames no task', async () => {
    const broken = gzipSync('x'.repeat(5_000)).fill(255, 12)
    const tasks = await servers(2, (_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(broken)
    })
    const client = keep(clientOf(tasks))
    for (let call = 1; call <= 10; call++) {
      const response = await client.fetch(ORIGIN)
      await expect(response.text()).rejects.toThrow()
      expect(attempts(client)).toBe(call)
    }
    expectNobodyBlamed(client)
  })

  test('more header fields than Node accepts over HTTP/2 blame no task', async () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, number) => [`x-${number}`, 'v']))
    const make = (): ReturnType<typeof http2> =>
      http2((stream) => {
        stream.respond({ ':status': 200, ...many })
        stream.end('x')
      })
    const tasks = (await secureTasks([make, make])).map(keep)
    const pool = { allowH2: true, connect: { ca } }
    const client = keep(clientOf(tasks, { pool }))
    const origin = 'https://orders.shop.local'
    for (let call = 0; call < 5; call++)
      await expect(client.request(origin, { method: 'POST' })).rejects.toThrow('ENHANCE_YOUR_CALM')
    expect(attempts(client, origin)).toBe(5)
    expectNobodyBlamed(client, origin)
  })
})

describe('a fault of the request', () => {
  const origin = 'https://orders.shop.local'
  const pool = { allowH2: true, connect: { ca } }

  test('a header that HTTP/2 forbids costs one attempt, and those that it takes along may be sent again', async () => {
    let isSlow = true
    let seen = 0
    const allSeen = Promise.withResolvers<void>()
    const make = (): ReturnType<typeof http2> =>
      http2((stream) => {
        if (++seen === 10) allSeen.resolve()
        if (isSlow) return
        stream.respond({ ':status': 200 })
        stream.end('x')
      })
    const tasks = (await secureTasks([make, make])).map(keep)
    const client = keep(clientOf(tasks, { pool }))
    const others = Array.from({ length: 10 }, () => client.request(origin).then(({ body }) => body.text()))
    await allSeen.promise
    isSlow = false
    for (let call = 0; call < 2; call++)
      await expect(client.request(origin, { headers: { te: 'gzip' } })).rejects.toThrow('"te"')
    expect(await Promise.all(others)).toEqual(Array.from({ length: 10 }, () => 'x'))
    expect(attempts(client, origin)).toBe(2 + 2 * 10)
    expectNobodyBlamed(client, origin)
  })

  test('headers that are too long for HTTP/2 cost one attempt', async () => {
    const make = (): ReturnType<typeof http2> =>
      http2((stream) => {
        stream.respond({ ':status': 200 })
        stream.end('x')
      })
    const tasks = (await secureTasks([make, make])).map(keep)
    const client = keep(clientOf(tasks, { pool }))
    const headers = Object.fromEntries(
      Array.from({ length: 20 }, (_, number) => [`x-${number}`, 'v'.repeat(7_000)]),
    )
    await expect(client.request(origin, { headers })).rejects.toThrow('frameError')
    expect(attempts(client, origin)).toBe(1)
    expectNobodyBlamed(client, origin)
  })

  /** Three tasks and a client; the tasks refuse TLS for names that are not theirs, where they are strict. */
  async function tasksByName(strict: boolean): Promise<{ client: Client; origin: string; hosts: unknown[] }> {
    const hosts: unknown[] = []
    const answer = (request: IncomingMessage, response: { end(text: string): void }): void => {
      hosts.push(request.headers.host)
      response.end('well')
    }
    const SNICallback = (name: string, done: (error: Error | null) => void): void =>
      done(name === 'orders.shop.local' ? null : new Error('another name'))
    const make = (): ReturnType<typeof https> => https(answer, strict ? { SNICallback } : {})
    const tasks = (await secureTasks([make, make, make])).map(keep)
    const client = keep(clientOf(tasks, { pool: { connect: { ca } } }))
    return { client, origin: `https://orders.shop.local:${tasks[0]?.port}`, hosts }
  }

  test.each([
    { headers: { host: 'attacker.example' } },
    { headers: ['Host', 'attacker.example:8443'] },
    { servername: 'attacker.example' },
  ])('a name that the certificate lacks (%o) costs one attempt, and ejects no task', async (own) => {
    const { client, origin: named } = await tasksByName(false)
    for (let call = 0; call < 10; call++) {
      await expect(client.request(named, own as object)).rejects.toMatchObject({
        code: 'ERR_TLS_CERT_ALTNAME_INVALID',
        message: expect.stringContaining('attacker.example'),
      })
    }
    expect(attempts(client, named)).toBe(10)
    expectNobodyBlamed(client, named)
    const { body } = await client.request(named)
    expect(await body.text()).toBe('well')
  })

  test('nor does one that the tasks refuse in the handshake', async () => {
    const { client, origin: named } = await tasksByName(true)
    for (let call = 0; call < 10; call++)
      await expect(client.request(named, { headers: { host: 'attacker.example' } })).rejects.toThrow()
    expect(attempts(client, named)).toBe(10)
    expectNobodyBlamed(client, named)
    const { body } = await client.request(named)
    expect(await body.text()).toBe('well')
  })

  test('its own Host that is the name, or an address, is as good as none', async () => {
    const { client, origin: named, hosts } = await tasksByName(false)
    for (const host of [
      'orders.shop.local',
      'ORDERS.shop.local:1',
      'balancer.shop.example',
      '10.0.0.1',
      '[::1]:80',
    ]) {
      const { body } = await client.request(named, { headers: { host } })
      expect(await body.text()).toBe('well')
    }
    expect(hosts).toHaveLength(5)
    expectNobodyBlamed(client, named)
  })

  test('a WebSocket over HTTP/1.1 only, which a task does not speak, does not put it out', async () => {
    const make = (): ReturnType<typeof http2> =>
      http2((stream) => stream.respond({ ':status': 200 }, { endStream: true }))
    const tasks = (await secureTasks([make])).map(keep)
    const client = keep(clientOf(tasks, { pool }))
    await expect(
      client.dispatcher.upgrade({ origin, path: '/', protocol: 'chat' } as never),
    ).rejects.toBeInstanceOf(Error)
    expect(upstreams(client, origin)[0]).toMatchObject({ state: 'available', failures: 0 })
    expect((await client.request(origin)).statusCode).toBe(200)
  })
})

describe('a bad answer', () => {
  const MALFORMED = 'HELLO THERE\r\n\r\n'
  const UNASKED = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'
  const SWITCHED = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'
  const LENGTHS = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n'

  test.each([
    ['a malformed response', MALFORMED],
    ['an unasked 100 Continue', UNASKED],
    ['an unasked upgrade', SWITCHED],
    ['two lengths', LENGTHS],
  ])("%s is the task's: GET is asked again elsewhere, POST is not", async (_name, answer) => {
    const good = keep(await new TestServer().listen('127.0.1.2'))
    const bad = await rawTask('127.0.1.1', good.port, answer)
    const client = keep(clientOf([bad.label, good.label]))
    const { body } = await client.request(ORIGIN)
    expect(await body.text()).toBe(good.label)
    expect(upstreams(client)).toMatchObject([
      { failures: 1, requests: 1, state: 'available' },
      { failures: 0, requests: 1, state: 'available' },
    ])
    const other = keep(clientOf([bad.label, good.label]))
    await expect(other.request(ORIGIN, { method: 'POST', body: 'x' })).rejects.toMatchObject({
      code: 'ONEHOP_ATTEMPTS_EXHAUSTED',
      attempts: [{ upstream: bad.label, outcome: { kind: 'transport-error', sent: true } }],
    })
    expect(good.seen).toHaveLength(1)
  })
})

describe('a certificate', () => {
  const well = (counter: { calls: number }) => (): ReturnType<typeof https> =>
    https((_request, response) => {
      counter.calls++
      response.end('well')
    })
  const bad = (keys: { cert: string; key: string }) => (): ReturnType<typeof https> =>
    https((_request, response) => void response.end('bad'), keys)

  /** How many times each task was connected to, and a client of all. */
  async function clientOfTasks(
    makers: readonly (() => ReturnType<typeof https>)[],
    options: ClientOptions = {},
    trusted: string[] = [],
    hasBalancer = false,
  ): Promise<{ client: Client; origin: string; connections: number[] }> {
    const connections = makers.map(() => 0)
    const counted = makers.map((make, index) => () => {
      const server = make()
      server.on('connection', () => (connections[index] = (connections[index] ?? 0) + 1))
      return server
    })
    const tasks = (await secureTasks(counted)).map(keep)
    const pool = { connect: { ca: [ca, ...trusted] } }
    const labels = tasks.map(({ label }) => label)
    const url = hasBalancer ? `https://${labels.pop()}` : undefined
    const fallback = url === undefined ? {} : { fallback: { url, host: 'preserve' as const } }
    const client = keep(clientOf(labels, { pool, ...fallback, ...options }))
    return { client, origin: `https://orders.shop.local:${tasks[0]?.port}`, connections }
  }

  test('that is bad puts its task out, as one that takes no connections, while others answer', async () => {
    const counter = { calls: 0 }
    const { client, origin, connections } = await clientOfTasks([
      bad(selfSigned),
      well(counter),
      well(counter),
    ])
    for (let call = 0; call < 10; call++) {
      const { body } = await client.request(origin, { method: 'POST', body: 'x' })
      expect(await body.text()).toBe('well')
    }
    expect(upstreams(client, origin)).toMatchObject([
      { state: 'ejected', cause: 'refuses', failures: 1 },
      { state: 'available', failures: 0 },
      { state: 'available', failures: 0 },
    ])
    expect(connections[0]).toBe(1)
  })

  test('that is bad alike at all tasks ends the call after the second, with what TLS says', async () => {
    const { client, origin, connections } = await clientOfTasks([
      bad(selfSigned),
      bad(selfSigned),
      bad(selfSigned),
    ])
    await expect(client.request(origin)).rejects.toMatchObject({
      code: 'ONEHOP_ATTEMPTS_EXHAUSTED',
      message: expect.stringContaining('self-signed certificate'),
      cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
      attempts: { length: 2 },
    })
    expect(connections).toEqual([1, 1, 0])
  })

  test('of a single task is not asked for again', async () => {
    const { client, origin, connections } = await clientOfTasks([bad(selfSigned)])
    await expect(client.request(origin)).rejects.toMatchObject({ attempts: { length: 1 } })
    expect(connections).toEqual([1])
  })

  test('that is bad in another way at each is looked for at a third', async () => {
    const counter = { calls: 0 }
    const makers = [bad(selfSigned), bad(expired), well(counter)]
    const { client, origin } = await clientOfTasks(makers, {}, [expired.cert])
    const { body } = await client.request(origin)
    expect(await body.text()).toBe('well')
    const reasons = upstreams(client, origin).map(({ reason }) => reason)
    expect(reasons).toEqual([
      expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT'),
      expect.stringContaining('CERT_HAS_EXPIRED'),
      undefined,
    ])
  })

  test('that is bad alike at all tasks leads to the load balancer, which has another', async () => {
    const counter = { calls: 0 }
    const makers = [bad(selfSigned), bad(selfSigned), bad(selfSigned), bad(selfSigned), well(counter)]
    const { client, origin, connections } = await clientOfTasks(
      makers,
      { retry: { attempts: 5, baseMs: 0 } },
      [],
      true,
    )
    const { body } = await client.request(origin)
    expect(await body.text()).toBe('well')
    expect(connections).toEqual([1, 1, 0, 0, 1])
  })

  test('that is bad alike at all tasks and at the load balancer ends the call with its attempt', async () => {
    const makers = [bad(selfSigned), bad(selfSigned), bad(selfSigned), bad(selfSigned)]
    const { client, origin, connections } = await clientOfTasks(
      makers,
      { retry: { attempts: 5, baseMs: 0 } },
      [],
      true,
    )
    await expect(client.request(origin)).rejects.toMatchObject({ attempts: { length: 3 } })
    expect(connections).toEqual([1, 1, 0, 1])
  })

  test('has one attempt with TLS options that leave no version, and no task is ejected', async () => {
    const counter = { calls: 0 }
    const { client, origin, connections } = await clientOfTasks([well(counter), well(counter)], {
      pool: { connect: { ca, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.2' } },
    })
    await expect(client.request(origin)).rejects.toMatchObject({ code: 'ERR_SSL_NO_PROTOCOLS_AVAILABLE' })
    expect(attempts(client, origin)).toBe(1)
    expect(connections[1]).toBe(0)
    expectNobodyBlamed(client, origin)
  })
})

/** Failures that say what to set. */
import { createServer as createTlsServer } from 'node:https'
import { createServer, type Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import { ResolutionFailedError, type ClientOptions, type Resolver } from 'onehop'
import { scriptedResolver } from 'onehop/testing'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../../src/core/clock.ts'
import { clientOf } from '../../../support/clients.ts'
import { resources } from '../../../support/resources.ts'
import { secureTasks } from '../../../support/transports/secure-servers.ts'
import { balancerCert, balancerKey, ca, cert, key, otherCa } from '../../../support/transports/tls.ts'

const { keep } = resources()

async function messageOf(
  url: string,
  tasks: readonly string[],
  options: ClientOptions = {},
): Promise<string> {
  const client = keep(clientOf(tasks, options))
  const error: unknown = await client.request(url).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'ONEHOP_ATTEMPTS_EXHAUSTED' })
  return (error as Error).message
}

async function listen(server: Server, address: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, address, resolve)
  })
  keep({ [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())) })
  return (server.address() as AddressInfo).port
}

function tlsServer(options: { key: string; cert: string } = { key, cert }): Server {
  return createTlsServer(options, (request, response) => void response.end(request.headers.host))
}

describe('where nothing names the port of the tasks', () => {
  test.each([
    ['http:', 80],
    ['https:', 443],
  ])('a refusal over %s says which was tried, and names port', async (scheme, port) => {
    const message = await messageOf(`${scheme}//orders.shop.local/`, ['127.0.1.250', '127.0.1.251'])
    expect(message).toContain(`127.0.1.250:${port}`)
    expect(message).toContain(
      `). Port ${port} is the default of the scheme, tried because neither discovery nor the URL names a port: set the option port`,
    )
  })

  test('a task that does not connect in time says so, too', async () => {
    const silent = { timeouts: { connectMs: 30 }, pool: { connect: () => undefined } }
    expect(await messageOf('http://orders.shop.local/', ['127.0.1.250'], silent)).toContain(
      'set the option port',
    )
  })

  test.each<[string, string, ClientOptions]>([
    ['the URL', '127.0.1.250', {}],
    ['the option', '127.0.1.250', { port: 9 }],
    ['discovery', '127.0.1.250:9', {}],
  ])('not where %s names it', async (by, task, options) => {
    const url = `http://orders.shop.local${by === 'the URL' ? ':9' : ''}/`
    const message = await messageOf(url, [task], options)
    expect(message).toContain('127.0.1.250:9')
    expect(message).not.toContain('option port')
  })
})

test('the default port comes with why discovery names none', async () => {
  const discovery = scriptedResolver(systemClock, ['127.0.1.250'])
  const warning = 'DNS is asked instead: the Cloud Map API throttles it (RequestLimitExceeded)'
  const resolve: Resolver['resolve'] = async (...args) => ({ ...(await discovery.resolve(...args)), warning })
  const message = await messageOf('http://orders.shop.local/', [], { discovery: { trusted: true, resolve } })
  expect(message).toContain(`nor the URL names a port (${warning}): set the option port`)
})

describe('where the load balancer alone was tried', () => {
  const fallback = 'http://127.0.0.1:9'

  test('the error says why no task was', async () => {
    expect(await messageOf('http://orders.shop.local/', [], { fallback })).toContain(
      'No task was tried: no such service was found, or it has no tasks (scripted names none)',
    )
  })

  test('also that discovery fails', async () => {
    const discovery = scriptedResolver(
      systemClock,
      new ResolutionFailedError('orders.shop.local', 'SERVFAIL'),
    )
    expect(await messageOf('http://orders.shop.local/', [], { fallback, discovery })).toMatch(
      /No task was tried: SERVFAIL$/,
    )
  })

  test('not where a task was tried, too', async () => {
    const message = await messageOf('http://orders.shop.local/', ['127.0.1.250:9'], { fallback })
    expect(message).toContain('127.0.1.250:9')
    expect(message).not.toContain('No task was tried')
  })
})

describe('TLS', () => {
  test('a certificate of a CA that is not trusted names pool.connect.ca once, in one line', async () => {
    const tasks = (await secureTasks([tlsServer, tlsServer])).map(keep)
    const labels = tasks.map(({ label }) => label)
    const message = await messageOf('https://orders.shop.local/', labels)
    expect(message).toContain('UNABLE_TO_VERIFY_LEAF_SIGNATURE')
    expect(message.match(/pool\.connect\.ca/g)).toHaveLength(1)
    expect(message.match(/unable to verify/g)).toHaveLength(1)
    expect(message).not.toMatch(/\n|system-ca/)
  })

  test("the balancer's names fallback.pool.connect.ca", async () => {
    const port = await listen(tlsServer({ key: balancerKey, cert: balancerCert }), '127.0.1.1')
    const fallback = {
      url: `https://balancer.shop.example:${port}`,
      pool: { connect: { ca, lookup: toLoopback } },
    }
    const message = await messageOf('https://orders.shop.local/', [], { fallback, retry: { attempts: 1 } })
    expect(message).toContain(
      `load balancer balancer.shop.example:${port}: connect: UNABLE_TO_VERIFY_LEAF_SIGNATURE`,
    )
    expect(message.match(/fallback\.pool\.connect\.ca/g)).toHaveLength(1)
  })

  test('a certificate for another name says so once, and what sets the name', async () => {
    const port = await listen(tlsServer(), '127.0.1.1')
    const options = { pool: { connect: { ca } } }
    const message = await messageOf(`https://stock.shop.local:${port}/`, ['127.0.1.1'], options)
    expect(message).toContain('ERR_TLS_CERT_ALTNAME_INVALID')
    expect(message.match(/pool\.connect\.servername/g)).toHaveLength(1)
    const client = keep(
      clientOf(['127.0.1.1'], { pool: { connect: { ca, servername: 'orders.shop.local' } } }),
    )
    const { statusCode } = await client.request(`https://stock.shop.local:${port}/`)
    expect(statusCode).toBe(200)
  })

  test('a response without TLS gives one line, without the files of OpenSSL', async () => {
    const plain = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
    })
    const port = await listen(plain, '127.0.1.1')
    const message = await messageOf(`https://orders.shop.local:${port}/`, ['127.0.1.1'], {
      retry: { attempts: 1 },
    })
    expect(message).toContain('does not speak TLS')
    expect(message).not.toMatch(/\n|\.c:/)
  })
})

function toLoopback(
  _host: string,
  _options: object,
  found: (error: null, addresses: { address: string; family: number }[]) => void,
): void {
  found(null, [{ address: '127.0.1.1', family: 4 }])
}

describe('a fallback with a certificate of another CA than the tasks', () => {
  test('is called with options of its own, and the tasks with theirs', async () => {
    const taskPort = await listen(tlsServer(), '127.0.1.1')
    const port = await listen(tlsServer({ key: balancerKey, cert: balancerCert }), '127.0.1.1')
    const fallback = {
      url: `https://balancer.shop.example:${port}`,
      pool: { connect: { ca: otherCa, lookup: toLoopback } },
    }
    const pool = { connect: { ca } }
    const url = `https://orders.shop.local:${taskPort}/`
    const client = keep(clientOf(['127.0.1.1'], { fallback, pool, retry: { attempts: 1 } }))
    const fromTask = await client.request(url)
    expect(await fromTask.body.text()).toBe(`orders.shop.local:${taskPort}`)
    client.resolver.answer([])
    const without = keep(clientOf([], { fallback, pool, retry: { attempts: 1 } }))
    const fromBalancer = await without.request(url)
    expect(await fromBalancer.body.text()).toBe(`balancer.shop.example:${port}`)
  })

  test('options that it has not are those of the pool', async () => {
    const seen: string[] = []
    const port = await listen(
      createTlsServer({ key, cert }, (request, response) => {
        seen.push(String(request.socket.remotePort))
        response.end()
      }),
      '127.0.1.1',
    )
    const client = keep(
      clientOf([], {
        fallback: {
          url: `https://balancer.shop.example:${port}`,
          pool: { connect: { ca, lookup: toLoopback } },
        },
        pool: { maxRequestsPerClient: 1 },
      }),
    )
    for (let call = 0; call < 3; call++)
      await client.request('https://orders.shop.local/').then(({ body }) => body.dump())
    expect(new Set(seen).size).toBe(3)
  })
})

/**
 * What callers, resolvers, connectors and bodies of the user's can do wrong, and what may not come of it: a process
 * that ends, a request that is sent twice, a call that never ends, a task that is blamed.
 */
import { createServer as createHttp2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { Readable, Stream } from 'node:stream'
import { createClient, roundRobin, type Client, type UpstreamInspection } from 'onehop'
import { buildConnector, type Dispatcher } from 'undici'
import { describe, expect, test } from 'vitest'
import { manualClock } from '../../../../src/testing/fakes/manual-clock.ts'
import { clientOf, ORIGIN } from '../../../support/clients.ts'
import { silentHandler } from '../../../support/handlers.ts'
import { resources } from '../../../support/resources.ts'
import type { TestServer } from '../../../support/servers.ts'

const { keep, servers } = resources()

const unavailable: TestServer['answer'] = (_request, response) => {
  response.statusCode = 503
  response.end()
}

function upstreams(client: Client): readonly UpstreamInspection[] {
  return client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams ?? []
}

/** No task is out, failed, or left with a call. */
function expectNobodyBlamed(client: Client): void {
  for (const upstream of upstreams(client))
    expect(upstream).toMatchObject({ state: 'available', failures: 0, pending: 0 })
  expect(client.inspect().callsUnderWay).toBe(0)
}

describe('a connector', () => {
  test('that throws ends the call with its error: its options are wrong for every task, and no task is blamed', async () => {
    const clock = manualClock()
    let calls = 0
    const connect = (): never => {
      calls++
      throw new Error('bad PEM')
    }
    const client = keep(clientOf(['127.0.1.1:9', '127.0.1.2:9'], { clock, pool: { connect } }))
    await expect(client.request(ORIGIN)).rejects.toMatchObject({ name: 'Error', message: 'bad PEM' })
    expect(calls).toBe(1)
    // Nothing comes of it later.
    await clock.advance(5_000)
    expect(calls).toBe(1)
    expectNobodyBlamed(client)
  })

  test('whose connection comes in the very turn in which it is given up is not cut under the request', async () => {
    const [task] = await servers(1)
    const clock = manualClock()
    const connected = Promise.withResolvers<() => void>()
    const real = buildConnector({})
    const connect: buildConnector.connector = (options, callback) =>
      real(options, (...result) => connected.resolve(() => callback(...result)))
    let arrive = (): void => undefined
    const busy = {
      now: () => clock.now(),
      afterIo: (callback: () => void) => clock.afterIo(callback),
      // As after a blockage: the timer is late, and the connection is there before its consequence.
      setTimer: (callback: () => void, delayMs: number) =>
        clock.setTimer(() => {
          callback()
          if (delayMs === 1_000) arrive()
        }, delayMs),
    }
    const client = keep(clientOf([task as TestServer], { clock: busy, pool: { connect } }))
    const call = client.request(ORIGIN, { method: 'POST', body: 'pay' }).then(({ body }) => body.text())
    arrive = await connected.promise
    await clock.advance(1_000)
    expect(await call).toBe(task?.label)
    expect(task?.seen).toHaveLength(1)
  })
})

describe('a request that is itself at fault', () => {
  test('puts no task out, whatever undici thinks of to say', async () => {
    const client = keep(clientOf(await servers(3)))
    await expect(client.request(`${ORIGIN}/x?y=1`, { query: { a: 1 } })).rejects.toThrow('Query params')
    await expect(client.request(ORIGIN, { headers: { x: Symbol('x') } as never })).rejects.toThrow()
    await expect(client.request(ORIGIN, { method: 'bad method' as never })).rejects.toThrow()
    expectNobodyBlamed(client)
  })

  test('a handler that throws fails its own call once, and blames no task', async () => {
    const tasks = await servers(2)
    const client = keep(clientOf(tasks))
    const names = [
      'onResponseStarted',
      'onRequestSent',
      'onResponseStart',
      'onResponseData',
      'onResponseEnd',
    ] as const
    for (const name of names) {
      const error = await new Promise<Error>((resolve) => {
        const handler: Dispatcher.DispatchHandler = {
          ...silentHandler,
          onResponseError: (_controller, failure) => resolve(failure),
          [name]: () => {
            throw new Error(`a bug in ${name}`)
          },
        }
        client.dispatcher.dispatch({ origin: ORIGIN, path: '/', method: 'GET' }, handler)
      })
      expect(error.message).toBe(`a bug in ${name}`)
      await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
    }
    // One more call, behind which none of theirs can still be on its way.
    await (await client.fetch(ORIGIN)).text()
    expect(tasks.reduce((sum, task) => sum + task.seen.length, 0)).toBeLessThanOrEqual(names.length + 1)
    expectNobodyBlamed(client)
  })
})

describe('a resolver', () => {
  test('that returns strings for endpoints fails the call and not the process', async () => {
    const discovery = {
      resolve: (service: never) =>
        Promise.resolve({
          service,
          endpoints: ['10.0.0.1:80'] as never,
          complete: true,
          expiresAt: 1,
          source: 'x',
          revision: undefined,
        }),
    }
    const client = keep(createClient({ namespaces: ['shop.local'], discovery }))
    await expect(client.request(ORIGIN)).rejects.toThrow(
      'endpoints[0] is "10.0.0.1:80"; make it with taskEndpoint',
    )
  })

  test('that never answers does not hold up close', async () => {
    const client = createClient({
      namespaces: ['shop.local'],
      discovery: { resolve: () => new Promise(() => undefined) },
    })
    const refused = expect(client.request(ORIGIN)).rejects.toMatchObject({ code: 'ONEHOP_CLOSED' })
    await client.close()
    await refused
  })

  test('whose close fails rejects, after everything else has been closed', async () => {
    const [task] = await servers(1)
    const client = clientOf([task as TestServer])
    Object.assign(client.resolver, { close: () => Promise.reject(new Error('no goodbye')) })
    await (await client.fetch(ORIGIN)).text()
    await expect(client.close()).rejects.toThrow('no goodbye')
    await expect.poll(() => task?.sockets.size).toBe(0)
    // The callback form has nobody to tell, and ends no process.
    await new Promise<void>((resolve) => void client.dispatcher.close(resolve))
  })
})

describe('a request body', () => {
  test('of a stream from before iterators is sent whole, each time', async () => {
    class OldStream extends Stream {
      readable = true
      override pipe<Target extends NodeJS.WritableStream>(target: Target): Target {
        this.resume()
        return super.pipe(target)
      }
      resume(): void {
        setImmediate(() => {
          this.emit('data', Buffer.from('hello'))
          this.emit('end')
        })
        this.resume = () => undefined
      }
      pause(): void {
        // It has but one chunk.
      }
      destroy(): void {
        this.readable = false
      }
    }
    const [bad, good] = await servers(2)
    if (!bad || !good) throw new Error('no servers')
    bad.answer = unavailable
    const client = keep(clientOf([bad, good]))
    const { statusCode, body } = await client.request(ORIGIN, {
      method: 'PUT',
      body: new OldStream() as never,
    })
    expect(statusCode).toBe(200)
    await body.text()
    expect([bad.seen[0]?.body, good.seen[0]?.body]).toEqual(['hello', 'hello'])
  })

  test('whose iterator fails to be returned leaves no call behind', async () => {
    await servers(1, () => undefined)
    const [silent] = await servers(1, () => undefined)
    const client = keep(clientOf([silent as TestServer]))
    const body = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => undefined),
        return: () => {
          throw new Error('no')
        },
      }),
    }
    const abort = new AbortController()
    const call = client.request(ORIGIN, { method: 'POST', body: body as never, signal: abort.signal })
    const left = expect(call).rejects.toThrow('left')
    await new Promise((resolve) => setTimeout(resolve, 20))
    abort.abort(new Error('left'))
    await left
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('of form parameters is sent as a form', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    const form = new URLSearchParams({ a: 'b c' })
    await client.request(ORIGIN, { method: 'PUT', body: form as never }).then(({ body }) => body.text())
    expect(task?.seen[0]).toMatchObject({
      body: 'a=b+c',
      headers: { 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' },
    })
  })

  test('that a task with HTTP/2 may have acted upon is not sent again, though its first chunk had not come', async () => {
    let posts = 0
    const isOver = Promise.withResolvers<void>()
    const server = createHttp2Server()
    server.on('stream', (stream) => {
      posts++
      stream.session?.destroy()
      stream.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.1.1', resolve))
    const { port } = server.address() as AddressInfo
    const client = clientOf([`127.0.1.1:${port}`, `127.0.1.1:${port}`], {
      pool: { allowH2: true, h2Options: { useH2c: true } },
      retry: { baseMs: 0 },
    })
    async function* slow(): AsyncGenerator<string> {
      await isOver.promise
      yield 'pay'
    }
    const call = client.request(ORIGIN, { method: 'POST', body: Readable.from(slow()) })
    await expect(call).rejects.toMatchObject({ code: 'ONEHOP_ATTEMPTS_EXHAUSTED' })
    isOver.resolve()
    expect(posts).toBe(1)
    await client.dispatcher.destroy()
    server.close()
  })
})

test('headers that can be read but once are the same in each attempt', async () => {
  const [bad, good] = await servers(2)
  if (!bad || !good) throw new Error('no servers')
  bad.answer = unavailable
  const client = keep(clientOf([bad, good]))
  const headers = new Map([['x-token', 'secret']]).entries()
  await client.request(ORIGIN, { headers: headers as never }).then(({ body }) => body.text())
  expect([bad, good].map((task) => task.seen[0]?.headers['x-token'])).toEqual(['secret', 'secret'])
})

test('a response that breaks off counts as one request', async () => {
  const [task] = await servers(1, (request, response) => {
    response.writeHead(200, { 'content-length': 1_000 })
    response.write('some', () => request.socket.resetAndDestroy())
  })
  const client = keep(clientOf([task as TestServer]))
  for (let i = 0; i < 3; i++)
    await client.request(ORIGIN).then(({ body }) => body.text().catch(() => 'broken'))
  await expect.poll(() => upstreams(client)[0]).toMatchObject({ requests: 3, failures: 3, pending: 0 })
})

test('destroy also ends a call that fails on the wire and would wait for its next attempt', async () => {
  const [silent] = await servers(1, () => undefined)
  const client = clientOf([silent as TestServer], {
    retry: { baseMs: 60_000, maxDelayMs: 60_000, on: () => true },
  })
  const call = client.request(ORIGIN)
  const ended = expect(call).rejects.toThrow()
  await expect.poll(() => silent?.seen.length).toBe(1)
  await client.dispatcher.destroy()
  await ended
  expect(client.inspect().callsUnderWay).toBe(0)
})

test('an origin that made room for 1,000 others keeps its calls, and destroy still ends them', async () => {
  const [slow] = await servers(1, (request, response) => {
    if (request.url === '/slow') response.write('some')
    else response.end()
  })
  const client = clientOf([slow?.label ?? ''], { services: {}, port: slow?.port ?? 0 })
  const { body } = await client.request(`${ORIGIN}/slow`)
  const broken = expect(body.text()).rejects.toThrow()
  for (let i = 0; i < 1_001; i++)
    client.dispatcher.dispatch(
      { origin: `http://s${i}.shop.local`, path: '/', method: 'GET' },
      { ...silentHandler, onRequestStart: (controller) => controller.abort(new Error('enough')) },
    )
  expect(client.inspect().callsUnderWay).toBe(1)
  await client.dispatcher.destroy()
  await broken
  expect(client.inspect().callsUnderWay).toBe(0)
})

test('a call that waits for a connection of a full pool is given up in time', async () => {
  const [slow] = await servers(1, (_request, response) => void response.write('some'))
  const clock = manualClock()
  const client = clientOf([slow as TestServer], { clock, pool: { connections: 1 }, retry: { attempts: 1 } })
  const first = await client.request(ORIGIN)
  const second = expect(client.request(ORIGIN)).rejects.toMatchObject({ code: 'ONEHOP_QUEUE_TIMEOUT' })
  await clock.advance(15_000)
  await second
  expect(upstreams(client)[0]).toMatchObject({ state: 'available', failures: 0 })
  first.body.on('error', () => undefined)
  await client.dispatcher.destroy()
})

test('services that share a round robin each take their tasks in turn', async () => {
  const tasks = await servers(2)
  const { port } = tasks[0] as TestServer
  const client = keep(clientOf(tasks, { balancer: roundRobin(), port }))
  for (let i = 0; i < 20; i++) {
    for (const service of ['orders', 'stock'])
      await (await client.fetch(`http://${service}.shop.local/`)).text()
  }
  const hosts = tasks.map(
    (task) => task.seen.filter(({ headers }) => headers.host === 'orders.shop.local').length,
  )
  expect(hosts).toEqual([10, 10])
})

import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Readable } from 'node:stream'
import { AttemptsExhaustedError, NoEndpointsError, type EventPayloads } from 'onehop'
import { describe, expect, test } from 'vitest'
import { buildConnector, type Dispatcher } from 'undici'
import { manualClock } from '../../../src/testing/fakes/manual-clock.ts'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { resources } from '../../support/resources.ts'
import { refusingAddress, startServers, TestServer } from '../../support/servers.ts'

const { keep, servers } = resources()

const unavailable: TestServer['answer'] = (_request, response) => {
  response.statusCode = 503
  response.end('try elsewhere')
}

describe('a discovered call', () => {
  test('goes straight to tasks, with the name that the caller wrote in Host', async () => {
    const tasks = await servers(3)
    const client = keep(clientOf(tasks))
    for (let i = 0; i < 6; i++) {
      const response = await client.fetch(`${ORIGIN}/v1/orders/${i}?full=yes`)
      expect(response.status).toBe(200)
      await response.text()
    }
    expect(tasks.map((task) => task.seen.length)).toEqual([2, 2, 2])
    expect(tasks[0]?.seen[0]).toMatchObject({
      method: 'GET',
      url: '/v1/orders/0?full=yes',
      headers: { host: 'orders.shop.local' },
    })
  })

  test('keeps the port that the caller wrote in Host, and calls tasks on it', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf(['127.0.1.1']))
    const { body } = await client.request(`${ORIGIN}:${task?.port}/`)
    await body.text()
    expect(task?.seen[0]?.headers.host).toBe(`orders.shop.local:${task?.port}`)
  })

  test('sends bodies of every kind whole and once', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    const form = new FormData()
    form.set('field', 'value')
    const post = (body: unknown): Promise<unknown> =>
      client
        .fetch(`${ORIGIN}/`, { method: 'POST', body, duplex: 'half' } as RequestInit)
        .then((response) => response.text())
    await post('text')
    await post(Buffer.from('buffer'))
    await post(new Blob(['blob']))
    await post(new URLSearchParams({ a: 'b' }))
    await post(new Blob(['web stream']).stream())
    await post(form)
    await client
      .request(`${ORIGIN}/`, { method: 'POST', body: Readable.from(['read', 'able']) })
      .then(({ body }) => body.text())
    const bodies = task?.seen.map((seen) => seen.body) ?? []
    expect(bodies.slice(0, 5)).toEqual(['text', 'buffer', 'blob', 'a=b', 'web stream'])
    expect(bodies[5]).toContain('name="field"\r\n\r\nvalue')
    expect(bodies[6]).toBe('readable')
  })

  test("takes Node's own Request and FormData as well as undici's", async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    const request = new Request(`${ORIGIN}/x`, {
      method: 'POST',
      body: 'from a request',
      headers: { 'x-mine': '1' },
    })
    await (await client.fetch(request)).text()
    expect(task?.seen[0]).toMatchObject({
      method: 'POST',
      url: '/x',
      body: 'from a request',
      headers: { 'x-mine': '1' },
    })
  })

  test('to a host that is not discovered passes straight through', async () => {
    const [elsewhere] = await servers(1)
    const client = keep(clientOf([]))
    const response = await client.fetch(`http://${elsewhere?.label}/plain`)
    expect(await response.text()).toBe(elsewhere?.label)
    expect(client.resolver.lookups).toHaveLength(0)
    expect(client.inspect().services).toEqual({})
  })

  test('by undici 6 and 7, which leave the option `dispatcher` in place, goes to tasks and to other hosts', async () => {
    const [task, elsewhere] = await servers(2)
    for (const interceptors of [[], [(dispatch: Dispatcher.Dispatch) => dispatch]]) {
      const client = keep(clientOf([task as TestServer], { interceptors }))
      const { dispatcher } = client
      for (const origin of [ORIGIN, `http://${elsewhere?.label}`]) {
        const answered = await new Promise((resolve, reject) => {
          // As their `request` does.
          const handler = {
            ...{ onConnect: () => undefined, onError: reject, onHeaders: () => true, onData: () => true },
            onComplete: resolve,
          }
          dispatcher.dispatch({ origin, path: '/', method: 'GET', dispatcher } as never, handler as never)
        })
        expect(answered).toEqual([])
        // As their `RetryAgent` does, which is not one of undici 8.
        const options = { origin, path: '/', method: 'GET', dispatcher: { dispatch: () => false } }
        await (await dispatcher.request(options)).body.dump()
      }
      // undici 8 names this mistake.
      const mistaken = dispatcher.request({ origin: ORIGIN, path: '/', method: 'GET', dispatcher } as never)
      await expect(mistaken).rejects.toThrow('opts.dispatcher is not supported')
    }
    expect([task?.seen.length, elsewhere?.seen.length]).toEqual([4, 4])
  })

  test('finds its route however the origin is written', async () => {
    const [task] = await servers(1)
    const client = keep(clientOf([task as TestServer]))
    for (const url of [
      'http://ORDERS.shop.local/',
      'http://orders.shop.local.:80/',
      'http://orders.shop.local:80/',
    ]) {
      await (await client.fetch(url)).text()
    }
    const raw = await client.dispatcher.request({
      origin: 'HTTP://Orders.Shop.Local/',
      path: '/',
      method: 'GET',
    })
    await raw.body.text()
    expect(task?.seen).toHaveLength(4)
    expect(client.resolver.lookups).toHaveLength(1)
  })
})

describe('retries', () => {
  test('a refused connection is retried elsewhere with any method', async () => {
    const [alive] = await servers(1)
    const dead = await refusingAddress()
    const client = keep(clientOf([dead, (alive as TestServer).label]))
    const { statusCode, body } = await client.request(`${ORIGIN}/`, { method: 'POST', body: 'pay' })
    expect(statusCode).toBe(200)
    await body.text()
    expect(alive?.seen.map((seen) => seen.body)).toEqual(['pay'])
    expect(client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams[0]).toMatchObject({
      upstream: dead,
      state: 'ejected',
    })
  })

  test('a 503 is retried for GET, and handed on as it is for POST', async () => {
    const [bad, good] = await servers(2)
    if (!bad || !good) throw new Error('no servers')
    bad.answer = unavailable
    const client = keep(clientOf([bad, good]))
    expect(await (await client.fetch(ORIGIN)).text()).toBe(good.label)
    // In turn: the next first attempt is the second server's, the one after is the bad one's.
    await (await client.fetch(ORIGIN)).text()
    bad.seen.length = 0
    const posted = await client.fetch(ORIGIN, { method: 'POST', body: 'x' })
    const again = await client.fetch(ORIGIN, { method: 'POST', body: 'x' })
    expect(new Set([posted.status, again.status])).toEqual(new Set([200, 503]))
    expect(bad.seen).toHaveLength(1)
    await Promise.all([posted.text(), again.text()])
  })

  test('a POST with an Idempotency-Key is retried like a PUT', async () => {
    const [bad, good] = await servers(2)
    if (!bad || !good) throw new Error('no servers')
    bad.answer = unavailable
    const client = keep(clientOf([bad, good]))
    const response = await client.fetch(ORIGIN, {
      method: 'POST',
      body: 'x',
      headers: { 'Idempotency-Key': '7' },
    })
    expect(await response.text()).toBe(good.label)
  })

  test('the last retryable response is handed on as it is', async () => {
    const tasks = await servers(4, unavailable)
    const client = keep(clientOf(tasks))
    const response = await client.fetch(ORIGIN)
    expect(response.status).toBe(503)
    expect(await response.text()).toBe('try elsewhere')
    expect(tasks.reduce((sum, task) => sum + task.seen.length, 0)).toBe(3)
  })

  test.each([
    ['a stream', () => Readable.from([Buffer.from('one '), Buffer.from('two '), Buffer.from('three')])],
    [
      'a generator',
      () =>
        (async function* () {
          yield 'one '
          yield 'two '
          yield 'three'
        })(),
    ],
    ['a string', () => 'one two three'],
  ])('a PUT of %s after a 503 carries the same bytes again, not none', async (_kind, body) => {
    const [bad, good] = await servers(2)
    if (!bad || !good) throw new Error('no servers')
    bad.answer = unavailable
    const client = keep(clientOf([bad, good]))
    const response = await client.request(`${ORIGIN}/`, { method: 'PUT', body: body() as never })
    expect(response.statusCode).toBe(200)
    await response.body.text()
    expect(bad.seen[0]?.body).toBe('one two three')
    expect(good.seen[0]?.body).toBe('one two three')
  })

  test('a streamed body beyond what is kept is sent once, whole, and its failure handed on', async () => {
    const [bad, good] = await servers(2)
    if (!bad || !good) throw new Error('no servers')
    bad.answer = unavailable
    const client = keep(clientOf([bad, good]))
    const chunk = Buffer.alloc(40_000, 'x')
    const response = await client.request(`${ORIGIN}/`, {
      method: 'PUT',
      body: Readable.from([chunk, chunk]),
    })
    expect(response.statusCode).toBe(503)
    await response.body.text()
    expect(bad.seen[0]?.body).toHaveLength(80_000)
    expect(good.seen).toHaveLength(0)
  })

  test('a reset after the request was sent is retried for GET, and fails POST with its cause', async () => {
    const [bad, good] = await servers(2)
    if (!bad || !good) throw new Error('no servers')
    bad.answer = (request) => void request.socket.resetAndDestroy()
    const client = keep(clientOf([bad, good]))
    expect(await (await client.fetch(ORIGIN)).text()).toBe(good.label)
    await (await client.fetch(ORIGIN)).text()
    const failure = await client
      .request(`${ORIGIN}/`, { method: 'POST', body: 'pay' })
      .then(async ({ body }) => {
        await body.text()
        return client.request(`${ORIGIN}/`, { method: 'POST', body: 'pay' })
      })
      .catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(AttemptsExhaustedError)
    expect(failure).toMatchObject({
      code: 'ONEHOP_ATTEMPTS_EXHAUSTED',
      attempts: [{ upstream: bad.label, tier: 0, outcome: { kind: 'transport-error', sent: true } }],
    })
    expect((failure as Error).cause).toBeInstanceOf(Error)
    expect((failure as Error).message).toContain(bad.label)
  })

  test('a response that breaks off after its headers is not retried', async () => {
    const [bad, good] = await servers(2)
    if (!bad || !good) throw new Error('no servers')
    bad.answer = (request, response) => {
      response.writeHead(200, { 'content-length': 1_000 })
      response.write('some', () => request.socket.resetAndDestroy())
    }
    const client = keep(clientOf([bad, good]))
    const { statusCode, body } = await client.request(ORIGIN)
    expect(statusCode).toBe(200)
    await expect(body.text()).rejects.toThrow()
    expect(good.seen).toHaveLength(0)
  })

  test('a task that does not answer in time is given up for another, to the millisecond', async () => {
    const [bad, good] = await servers(2)
    if (!bad || !good) throw new Error('no servers')
    bad.answer = () => undefined
    const clock = manualClock()
    const client = keep(clientOf([bad, good], { timeouts: { attemptMs: 100 }, clock }))
    const call = client.fetch(ORIGIN).then((response) => response.text())
    await expect.poll(() => bad.seen.length).toBe(1)
    await clock.advance(99)
    expect(good.seen).toHaveLength(0)
    await clock.advance(1)
    expect(await call).toBe(good.label)
  })

  test('a POST is not sent again when its task has not answered in time', async () => {
    const [bad, good] = await servers(2)
    if (!bad || !good) throw new Error('no servers')
    bad.answer = () => undefined
    const client = keep(clientOf([bad, good], { timeouts: { attemptMs: 50 } }))
    await expect(client.request(ORIGIN, { method: 'POST', body: 'pay' })).rejects.toMatchObject({
      code: 'ONEHOP_ATTEMPTS_EXHAUSTED',
      attempts: [{ outcome: { kind: 'timeout', phase: 'headers' } }],
    })
    expect(good.seen).toHaveLength(0)
  })

  test('a connection that does not come in time is given up, with any method, and its late arrival closed', async () => {
    const [slow, good] = await servers(2)
    if (!slow || !good) throw new Error('no servers')
    const clock = manualClock()
    const gate = Promise.withResolvers<void>()
    const connector = buildConnector({})
    const client = keep(
      clientOf([slow, good], {
        clock,
        pool: {
          connect: (options, callback) =>
            void (options.hostname === '127.0.1.1' ? gate.promise : Promise.resolve()).then(() =>
              connector(options, callback),
            ),
        },
      }),
    )
    const call = client.request(ORIGIN, { method: 'POST', body: 'pay' }).then(({ body }) => body.text())
    await clock.advance(999)
    expect(good.seen).toHaveLength(0)
    await clock.advance(1)
    expect(await call).toBe(good.label)
    const upstream = client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams[0]
    expect(upstream).toMatchObject({
      state: 'ejected',
      reason: expect.stringContaining('in 1000 ms') as string,
    })
    gate.resolve()
    await expect.poll(() => slow.sockets.size).toBe(0)
    expect(slow.seen).toHaveLength(0)
  })

  test('a failed response that goes on for ever, or is long, holds up nothing', async () => {
    const [endless, long, good] = await servers(3)
    if (!endless || !long || !good) throw new Error('no servers')
    endless.answer = (_request, response) => {
      response.writeHead(503)
      response.write('this service is')
    }
    long.answer = (_request, response) => {
      response.writeHead(503)
      response.end(Buffer.alloc(1_000_000))
    }
    const client = clientOf([endless, long, good])
    expect(await (await client.fetch(ORIGIN)).text()).toBe(good.label)
    await client.close()
    const upstreams = client.inspect().services['orders.shop.local']
    expect(upstreams).toBeUndefined()
    await expect.poll(() => endless.sockets.size + long.sockets.size).toBe(0)
  })

  test('with retries off, one attempt is made and its error handed on untouched', async () => {
    const dead = await refusingAddress()
    const [good] = await servers(1)
    const client = keep(clientOf([dead, (good as TestServer).label], { retry: false }))
    await expect(client.request(ORIGIN)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    expect(good?.seen).toHaveLength(0)
  })

  test('stop when the budget is spent, and say so', async () => {
    const tasks = await servers(3, unavailable)
    const over: unknown[] = []
    const listen = (event: unknown): void => void over.push(event)
    subscribe('onehop:retry.over-budget', listen)
    // No time passes in which there would be more.
    const budget = { ratio: 0, minPerSecond: 1, windowMs: 5_000 }
    const client = keep(clientOf(tasks, { clock: manualClock(), retry: { baseMs: 0, budget } }))
    for (let i = 0; i < 10; i++) await (await client.fetch(ORIGIN)).text()
    unsubscribe('onehop:retry.over-budget', listen)
    // Ten calls and five retries.
    expect(tasks.reduce((sum, task) => sum + task.seen.length, 0)).toBe(15)
    expect(over.length).toBeGreaterThan(0)
  })

  test('a request that is itself at fault is neither retried nor held against the task', async () => {
    const tasks = await servers(2)
    const client = keep(clientOf(tasks))
    await (await client.fetch(ORIGIN)).text()
    await expect(client.request(`${ORIGIN}/`, { headers: { 'bad header': 'x' } })).rejects.toMatchObject({
      code: 'UND_ERR_INVALID_ARG',
    })
    const broken = Readable.from(
      (async function* () {
        yield 'one'
        throw new Error('the disk is gone')
      })(),
    )
    await expect(client.request(`${ORIGIN}/`, { method: 'PUT', body: broken })).rejects.toThrow(
      'the disk is gone',
    )
    const upstreams = client.inspect().services['orders.shop.local']?.origins[ORIGIN]?.upstreams ?? []
    expect(upstreams.map(({ failures, state, pending }) => ({ failures, state, pending }))).toEqual([
      { failures: 0, state: 'available', pending: 0 },
      { failures: 0, state: 'available', pending: 0 },
    ])
  })

  test('are emitted with the outcome and the wait', async () => {
    const dead = await refusingAddress()
    const [good] = await servers(1)
    const retried: EventPayloads['onehop:call.retried'][] = []
    const listen = (event: unknown): void => void retried.push(event as EventPayloads['onehop:call.retried'])
    subscribe('onehop:call.retried', listen)
    const client = keep(clientOf([dead, (good as TestServer).label]))
    await (await client.fetch(ORIGIN)).text()
    unsubscribe('onehop:call.retried', listen)
    expect(retried).toMatchObject([
      {
        host: 'orders.shop.local',
        method: 'GET',
        attempt: 1,
        upstream: dead,
        outcome: { kind: 'connect-error' },
        waitMs: 0,
      },
    ])
  })

  test("a rule of the user's that throws fails the call with what it threw", async () => {
    const tasks = await servers(2, unavailable)
    const on = (): never => {
      throw new Error('my rule is broken')
    }
    const client = keep(clientOf(tasks, { retry: { on } }))
    await expect(client.request(ORIGIN)).rejects.toThrow('my rule is broken')
    await expect(client.request(ORIGIN)).rejects.toThrow('my rule is broken')
    expect(client.inspect().callsUnderWay).toBe(0)
  })
})

describe('without a task to call', () => {
  test('the error says how many there are and why none would do', async () => {
    const client = keep(clientOf([]))
    const failure = await client.request(ORIGIN).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(NoEndpointsError)
    expect((failure as Error).message).toBe(
      '[ONEHOP_NO_ENDPOINTS] orders.shop.local: no such service was found, or it has no tasks (scripted names none); no fallback configured',
    )
  })

  test('because discovery failed, the error is that of discovery', async () => {
    const client = keep(clientOf(new Error('the registry is on fire')))
    await expect(client.request(ORIGIN)).rejects.toMatchObject({
      code: 'ONEHOP_RESOLUTION_FAILED',
      message: expect.stringContaining('the registry is on fire') as string,
    })
  })
})

describe('the load balancer', () => {
  test('takes over when every task refuses, is called by its own name, and hands back by itself', async () => {
    const balancer = keep(
      await new TestServer((_request, response) => void response.end('balancer')).listen('127.0.0.1'),
    )
    const [task] = await startServers(1)
    if (!task) throw new Error('no task')
    const { label, port } = task
    await task.kill()
    const client = keep(clientOf([label], { fallback: `http://localhost:${balancer.port}` }))
    for (const method of ['GET', 'POST'] as const) {
      expect(
        await (await client.fetch(ORIGIN, { method, ...(method === 'POST' ? { body: 'x' } : {}) })).text(),
      ).toBe('balancer')
    }
    expect(balancer.seen[0]?.headers.host).toBe(`localhost:${balancer.port}`)

    keep(await new TestServer((_request, response) => void response.end('task')).listen('127.0.1.1', port))
    await expect.poll(async () => (await client.fetch(ORIGIN)).text(), { timeout: 10_000 }).toBe('task')
    for (let i = 0; i < 20; i++) expect(await (await client.fetch(ORIGIN)).text()).toBe('task')
  })

  test('takes the last attempt of a call that was refused on the way, whatever else happened to it', async () => {
    const balancer = keep(await new TestServer().listen('127.0.0.1'))
    const tasks = await servers(3)
    const [breaking, ...others] = tasks
    if (breaking !== undefined) breaking.answer = (request) => void request.socket.destroy()
    const labels = tasks.map(({ label }) => label)
    const client = keep(
      clientOf([labels[0] ?? '', await refusingAddress(), ...labels.slice(1)], {
        fallback: `http://${balancer.label}`,
      }),
    )
    expect(await (await client.fetch(ORIGIN)).text()).toBe(balancer.label)
    expect([breaking, ...others].map((task) => task?.seen.length)).toEqual([1, 0, 0])
  })

  test.each([
    ['takes the last attempt after connections to two tasks broke off', 3, [1, 1, 0, 1]],
    ['does not take it after one', 2, [1, 1, 0, 0]],
  ])('%s', async (_what, attempts, seen) => {
    const balancer = keep(await new TestServer().listen('127.0.0.1'))
    const tasks = await servers(3)
    for (const task of tasks.slice(0, attempts - 1)) task.answer = (request) => void request.socket.destroy()
    const client = keep(clientOf(tasks, { fallback: `http://${balancer.label}`, retry: { attempts } }))
    const expected = attempts === 3 ? balancer : tasks[1]
    expect(await (await client.fetch(ORIGIN)).text()).toBe(expected?.label)
    expect([...tasks, balancer].map((server) => server.seen.length)).toEqual(seen)
  })

  test('takes all calls when discovery fails, or knows of no endpoints', async () => {
    const balancer = keep(await new TestServer().listen('127.0.0.1'))
    for (const answer of [new Error('SERVFAIL'), []]) {
      const client = keep(clientOf(answer, { fallback: `http://${balancer.label}` }))
      expect(await (await client.fetch(ORIGIN)).text()).toBe(balancer.label)
    }
  })

  test("keeps the service's name where it routes by that", async () => {
    const balancer = keep(await new TestServer().listen('127.0.0.1'))
    const client = keep(clientOf([], { fallback: { url: `http://${balancer.label}`, host: 'preserve' } }))
    await (await client.fetch(ORIGIN)).text()
    expect(balancer.seen[0]?.headers.host).toBe('orders.shop.local')
  })
})

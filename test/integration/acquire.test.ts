import { consistentHash, createClient, type Client, type Lease, type Outcome } from 'onehop'
import { manualClock } from 'onehop/testing'
import { describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../support/clients.ts'
import { eventsOf } from '../support/events.ts'
import { allowForProcesses, runModule } from '../support/processes/programs.ts'
import { resources } from '../support/resources.ts'
import { refusingAddress } from '../support/servers.ts'

allowForProcesses()
const { keep, servers } = resources()
const TASKS = ['127.0.1.1:8080', '127.0.1.2:8080', '127.0.1.3:8080']

/** The first lease of a service that is not known yet, so that those that follow come at once. */
async function warm(client: Client): Promise<void> {
  await client.resolve('orders.shop.local')
}

function at({ endpoint, port }: Lease): string {
  return `${endpoint.address}:${port}`
}

function now(lease: Lease | Promise<Lease>): Lease {
  if (lease instanceof Promise) throw new Error('the service is not known yet')
  return lease
}

function good(latencyMs = 1): Outcome {
  return { kind: 'response', status: 200, latencyMs, retryAfterMs: undefined }
}

function refused(): Outcome {
  const error = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' })
  return { kind: 'connect-error', error }
}

function broken(): Outcome {
  return { kind: 'transport-error', error: new Error('socket hang up'), sent: true }
}

function originOf(client: Client) {
  return client.inspect().services['orders.shop.local']?.origins[ORIGIN]
}

function upstreamOf(client: Client, label: string) {
  return originOf(client)?.upstreams.find(({ upstream }) => upstream === label)
}

describe('acquire', () => {
  test('waits for discovery, then picks at once, by the balancer of the service', async () => {
    const client = keep(clientOf(TASKS))
    const first = client.acquire(ORIGIN)
    expect(first).toBeInstanceOf(Promise)
    const leases = [await first, ...TASKS.map(() => now(client.acquire(ORIGIN)))]
    expect(leases.map(at)).toEqual([...TASKS, TASKS[0]])
    expect(client.inspect().callsUnderWay).toBe(4)
    expect(upstreamOf(client, '127.0.1.1:8080')).toMatchObject({ pending: 2 })
    for (const lease of leases) lease.end()
    expect(client.inspect().callsUnderWay).toBe(0)
    expect(upstreamOf(client, '127.0.1.1:8080')).toMatchObject({ pending: 0, requests: 2, failures: 0 })
  })

  test('a lease and a call that fare alike leave the upstream in the same state', async () => {
    const [task] = await servers(1, (_request, response) => void response.writeHead(503).end())
    const label = task?.label as string
    const called = keep(clientOf([label], { retry: false }))
    const leased = keep(clientOf([label]))
    await warm(leased)
    for (let count = 0; count < 7; count++) {
      await (await called.request(ORIGIN)).body.dump()
      using lease = now(leased.acquire(ORIGIN))
      lease.report({ kind: 'response', status: 503, latencyMs: 1, retryAfterMs: undefined })
    }
    const facts = ({ state, pending, requests, failures }: NonNullable<ReturnType<typeof upstreamOf>>) => ({
      ...{ state, pending, requests, failures },
    })
    const after = upstreamOf(called, label)
    expect(after).toMatchObject({ requests: 7, failures: 7, pending: 0 })
    expect(facts(upstreamOf(leased, label) as never)).toEqual(facts(after as never))
  })

  test('says how the upstream is called: Host and TLS name are the caller’s', async () => {
    const client = keep(clientOf(['127.0.1.1:8080']))
    await warm(client)
    using plain = now(client.acquire(ORIGIN))
    expect(plain).toMatchObject({
      origin: ORIGIN,
      host: 'orders.shop.local',
      servername: 'orders.shop.local',
      port: 8080,
      connectMs: 1_000,
      tcpConnectMs: 300,
    })
    // A route of its own, which has not seen the first snapshot, is made at once from the cache.
    using other = now(client.acquire(new URL('https://Orders.shop.local.:8443/v1')))
    expect(other).toMatchObject({
      origin: 'https://orders.shop.local.:8443',
      host: 'orders.shop.local.:8443',
      servername: 'orders.shop.local',
      port: 8443,
    })
  })

  test('the load balancer has its own name, unless the fallback preserves the caller’s', async () => {
    const own = keep(clientOf([], { fallback: 'https://alb.example:8443' }))
    await warm(own)
    using lease = now(own.acquire(ORIGIN))
    expect(lease).toMatchObject({
      endpoint: { tier: 1, address: 'alb.example' },
      origin: 'https://alb.example:8443',
      host: 'alb.example:8443',
      servername: 'alb.example',
      port: 8443,
    })
    const preserved = keep(clientOf([], { fallback: { url: 'http://10.0.0.9', host: 'preserve' } }))
    await warm(preserved)
    using kept = now(preserved.acquire(ORIGIN))
    expect(kept).toMatchObject({ host: 'orders.shop.local', port: 80, endpoint: { address: '10.0.0.9' } })
    const byAddress = keep(clientOf([], { fallback: 'https://[fd00::9]:8443' }))
    await warm(byAddress)
    using address = now(byAddress.acquire(ORIGIN))
    expect(address).toMatchObject({ host: '[fd00::9]:8443', servername: '', port: 8443 })
  })

  test('a refused connection ejects the task, and calls avoid it', async () => {
    const [task] = await servers(1)
    const dead = await refusingAddress()
    const client = keep(clientOf([dead, task?.label as string]))
    await warm(client)
    const ejected = eventsOf('onehop:upstream.ejected')
    const lease = now(client.acquire(ORIGIN))
    expect(at(lease)).toBe(dead)
    lease.report(refused())
    lease.end()
    expect(ejected).toMatchObject([{ upstream: dead }])
    for (let count = 0; count < 4; count++)
      expect(await (await client.fetch(ORIGIN)).text()).toBe(task?.label)
  })

  test('respects maxPending, of the task and of the origin', async () => {
    const client = keep(clientOf(['127.0.1.1:8080'], { maxPending: { perTask: 1 } }))
    await warm(client)
    const held = now(client.acquire(ORIGIN))
    expect(() => client.acquire(ORIGIN)).toThrow('[ONEHOP_OVERLOADED]')
    held.end()
    now(client.acquire(ORIGIN)).end()
    const narrow = keep(clientOf(TASKS, { maxPending: { perOrigin: 2 } }))
    const waiting = [narrow.acquire(ORIGIN), narrow.acquire(ORIGIN)]
    expect(() => narrow.acquire(ORIGIN)).toThrow('[ONEHOP_OVERLOADED]')
    for (const lease of waiting) (await lease).end()
    expect(narrow.inspect().callsUnderWay).toBe(0)
  })

  test('places by key, or by the key that the balancer finds in the request', async () => {
    const client = keep(clientOf(TASKS, { balancer: consistentHash({ header: 'x-user' }) }))
    await warm(client)
    const place = (options: Parameters<Client['acquire']>[1]): string => {
      using lease = now(client.acquire(ORIGIN, options))
      return at(lease)
    }
    for (const user of ['ada', 'grace', 'edsger', 'barbara']) {
      const request = { method: 'GET', path: '/', header: () => user }
      expect(place({ key: user })).toBe(place({ request }))
    }
    const places = new Set(Array.from({ length: 30 }, (_, index) => place({ key: `user-${index}` })))
    expect(places.size).toBe(3)
  })

  test('fails as a call would where nothing can be picked', async () => {
    const empty = keep(clientOf([]))
    await expect(empty.acquire(ORIGIN)).rejects.toMatchObject({ code: 'ONEHOP_NO_ENDPOINTS' })
    expect(() => empty.acquire(ORIGIN)).toThrow('[ONEHOP_NO_ENDPOINTS]')
    const failing = keep(clientOf(new Error('SERVFAIL')))
    await expect(failing.acquire(ORIGIN)).rejects.toMatchObject({ code: 'ONEHOP_RESOLUTION_FAILED' })
    expect([empty, failing].map((client) => client.inspect().callsUnderWay)).toEqual([0, 0])
  })

  test.each([
    ['http://elsewhere.example', {}, 'origin: got "http://elsewhere.example"'],
    ['orders.shop.local', {}, 'origin: got "orders.shop.local"'],
    ['tcp://orders.shop.local', {}, 'origin: got "tcp://orders.shop.local"'],
    [undefined, {}, 'origin: got undefined'],
    [ORIGIN, { methd: 'GET' }, 'did you mean method?'],
    [ORIGIN, { method: '' }, 'acquire.method: got ""'],
    [ORIGIN, { key: 3 }, 'acquire.key: got a number'],
    [ORIGIN, { signal: {} }, 'acquire.signal'],
    [ORIGIN, { request: {} }, 'acquire.request.header'],
    [ORIGIN, { idempotent: 'yes' }, 'acquire.idempotent'],
    [ORIGIN, { hasPort: 8080 }, 'acquire.hasPort: got 8080'],
    [ORIGIN, null, 'acquire: got null'],
  ])('refuses %j with %j', async (origin, options, message) => {
    const client = keep(clientOf(TASKS))
    await warm(client)
    expect(() => client.acquire(origin as string, options as object)).toThrow(message)
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('options that are undefined count as not given', async () => {
    const client = keep(clientOf(TASKS))
    const nothing = { method: undefined, signal: undefined, key: undefined, idempotent: undefined }
    const lease = await client.acquire(ORIGIN, { ...nothing, request: undefined })
    lease.end()
  })
})

describe('a lease', () => {
  test('is reported once and ended once', async () => {
    const client = keep(clientOf(TASKS))
    const lease = await client.acquire(ORIGIN)
    lease.report(good())
    lease.report(broken())
    lease.end()
    lease.end()
    lease[Symbol.dispose]()
    lease.report(broken())
    expect(upstreamOf(client, at(lease))).toMatchObject({ pending: 0, requests: 1, failures: 0 })
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('counts as its classification says, and may go elsewhere as that allows', async () => {
    const client = keep(clientOf(TASKS))
    await warm(client)
    const lease = now(client.acquire(ORIGIN, { method: 'POST' }))
    lease.report({ ...good(), classified: { kind: 'unavailable', retry: 'any' } } as Outcome)
    const next = lease.again()
    expect(next && at(next)).toBe(TASKS[1])
    lease.end()
    next?.end()
    expect(upstreamOf(client, '127.0.1.1:8080')).toMatchObject({ failures: 1 })
  })

  test('that ends without a report says nothing about the task', async () => {
    const clock = manualClock()
    const client = keep(clientOf(['127.0.1.1:8080'], { clock }))
    const lease = await client.acquire(ORIGIN)
    await clock.advance(30)
    expect(lease.elapsedMs()).toBe(30)
    lease.end()
    expect(upstreamOf(client, '127.0.1.1:8080')).toMatchObject({
      pending: 0,
      failures: 0,
      state: 'available',
    })
    expect(upstreamOf(client, '127.0.1.1:8080')?.latencyMs ?? 0).toBeLessThan(5)
  })

  test.each([
    [{ kind: 'fine' }, 'outcome.kind: got "fine"'],
    [{ kind: 'response', status: 200, latencyMs: Number.NaN }, 'outcome.latencyMs: got NaN'],
    [{ kind: 'response', latencyMs: 1 }, 'outcome.status: got undefined'],
    [{ kind: 'timeout', phase: 'dns', latencyMs: 1, error: new Error('late') }, 'outcome.phase: got "dns"'],
    [{ kind: 'connect-error' }, 'outcome.error: got undefined'],
    [{ ...good(), part: 'headers' }, 'outcome.part: got "headers"'],
    [{ ...good(), classified: { kind: 'sick' } }, 'outcome.classified.kind: got "sick"'],
    [{ ...good(), classified: 'failure' }, 'outcome.classified: got "failure"'],
    [undefined, 'outcome: got undefined'],
  ])('refuses the report %j', async (outcome, message) => {
    const client = keep(clientOf(TASKS))
    using lease = await client.acquire(ORIGIN)
    expect(() => lease.report(outcome as Outcome)).toThrow(message)
  })

  test('that is dropped without its end is an event, and frees its place', async () => {
    const program = `
      import { setFlagsFromString } from 'node:v8'
      import { runInNewContext } from 'node:vm'
      import { createClient, onEvent, staticResolver } from 'onehop'
      setFlagsFromString('--expose-gc')
      const gc = runInNewContext('gc')
      const discovery = staticResolver({ 'orders.shop.local': ['127.0.1.1:80'] })
      const client = createClient({ namespaces: ['shop.local'], discovery })
      const events = []
      onEvent('onehop:lease.leaked', (event) => events.push(event))
      const kept = await client.acquire('http://orders.shop.local')
      await (async () => { await client.acquire('http://orders.shop.local', { method: 'PUT' }) })()
      await (async () => { (await client.acquire('http://orders.shop.local')).end() })()
      for (let turn = 0; turn < 500 && events.length === 0; turn++) {
        gc()
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      const { callsUnderWay } = client.inspect()
      kept.end()
      await client.close()
      console.log(JSON.stringify({ events, callsUnderWay }))`
    expect(JSON.parse(await runModule(program))).toEqual({
      events: [
        {
          host: 'orders.shop.local',
          method: 'PUT',
          upstream: '127.0.1.1:80',
          heldMs: expect.any(Number) as number,
        },
      ],
      callsUnderWay: 1,
    })
  })
})

describe('again', () => {
  test('goes elsewhere, up to the attempts of the service', async () => {
    const client = keep(clientOf(TASKS))
    const retried = eventsOf('onehop:call.retried')
    const first = await client.acquire(ORIGIN, { method: 'POST' })
    first.report(refused())
    const second = first.again()
    first.end()
    second?.report(refused())
    second?.end()
    const third = second?.again()
    third?.report(refused())
    expect([first, second, third].map((lease) => at(lease as Lease))).toEqual(TASKS)
    expect(third?.again()).toBeUndefined()
    third?.end()
    expect(retried).toMatchObject([
      { method: 'POST', attempt: 1, upstream: TASKS[0], waitMs: 0 },
      { method: 'POST', attempt: 2, upstream: TASKS[1], waitMs: 0 },
    ])
    expect(client.inspect().callsUnderWay).toBe(0)
  })

  test('follows the retry rule: what may have been processed is repeated if the method allows it', async () => {
    const client = keep(clientOf(TASKS))
    await warm(client)
    const next = (options: object, outcome: Outcome | undefined): string | undefined => {
      using lease = now(client.acquire(ORIGIN, options))
      if (outcome !== undefined) lease.report(outcome)
      using successor = lease.again()
      return successor === undefined ? undefined : at(successor)
    }
    expect(next({ method: 'POST' }, broken())).toBeUndefined()
    expect(next({ method: 'GET' }, good())).toBeUndefined()
    expect(next({ method: 'GET' }, undefined)).toBeUndefined()
    expect(next({ method: 'GET' }, broken())).toBeDefined()
    expect(next({ method: 'POST', idempotent: true }, broken())).toBeDefined()
  })

  test('is given once, and not with retries off', async () => {
    const client = keep(clientOf(TASKS))
    using lease = await client.acquire(ORIGIN)
    lease.report(refused())
    using successor = lease.again()
    expect(successor).toBeDefined()
    expect(lease.again()).toBeUndefined()
    const without = keep(clientOf(TASKS, { retry: false }))
    using only = await without.acquire(ORIGIN)
    only.report(refused())
    expect(only.again()).toBeUndefined()
  })

  test('draws on the budget, and never goes back to a task', async () => {
    const budget = { ratio: 0, minPerSecond: 0.1, windowMs: 10_000 }
    const client = keep(clientOf(TASKS, { retry: { budget } }))
    const over = eventsOf('onehop:retry.over-budget')
    await warm(client)
    const retried = [1, 2].map(() => {
      using lease = now(client.acquire(ORIGIN))
      lease.report(broken())
      using successor = lease.again()
      return successor !== undefined
    })
    expect(retried).toEqual([true, false])
    expect(over).toHaveLength(1)
    const single = keep(clientOf(['127.0.1.1:8080']))
    using lease = await single.acquire(ORIGIN)
    lease.report(broken())
    expect(lease.again()).toBeUndefined()
    expect(originOf(single)?.retryBudget).toBe(100)
  })

  test('the last attempt after refused connections goes to the load balancer', async () => {
    // Of three, one that is out would send 7 % of the calls to the load balancer already.
    const client = keep(clientOf([...TASKS, '127.0.1.4:8080'], { fallback: 'http://alb.example' }))
    const fellBack = eventsOf('onehop:call.fell-back')
    using first = await client.acquire(ORIGIN)
    first.report(refused())
    using second = first.again()
    second?.report(refused())
    using third = second?.again()
    expect(second?.endpoint.tier).toBe(0)
    expect(third?.endpoint.tier).toBe(1)
    expect(fellBack).toMatchObject([{ upstream: 'alb.example:80' }])
  })

  test('passes on what retry.on throws, and asks it for the rule', async () => {
    const asked: unknown[] = []
    const on = (outcome: Outcome, request: object): boolean => {
      asked.push({ kind: outcome.kind, ...request })
      throw new Error('from retry.on')
    }
    const client = keep(clientOf(TASKS, { retry: { on } }))
    using lease = await client.acquire(ORIGIN, { method: 'PUT' })
    lease.report(broken())
    expect(() => lease.again()).toThrow('from retry.on')
    expect(asked).toEqual([
      { kind: 'transport-error', method: 'PUT', path: '', idempotent: true, attempts: 1 },
    ])
  })
})

describe('waiting, aborting and closing', () => {
  test('an abort is heard at once while discovery waits', async () => {
    const client = keep(clientOf(new Promise(() => undefined)))
    const aborter = new AbortController()
    const lease = client.acquire(ORIGIN, { signal: aborter.signal })
    expect(client.inspect().callsUnderWay).toBe(1)
    aborter.abort(new Error('enough'))
    await expect(lease).rejects.toThrow('enough')
    expect(client.inspect().callsUnderWay).toBe(0)
    expect(() => client.acquire(ORIGIN, { signal: aborter.signal })).toThrow('enough')
  })

  test('close waits for leases, refuses those that wait for discovery, and cuts after withinMs', async () => {
    const client = clientOf(TASKS)
    const lease = await client.acquire(ORIGIN)
    let isClosed = false
    const closing = client.close().then(() => (isClosed = true))
    expect(() => client.acquire(ORIGIN)).toThrow('[ONEHOP_CLOSED]')
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(isClosed).toBe(false)
    lease.end()
    await closing
    const cold = clientOf(new Promise(() => undefined))
    const waiting = expect(cold.acquire(ORIGIN)).rejects.toMatchObject({ code: 'ONEHOP_CLOSED' })
    await cold.close()
    await waiting
    const held = clientOf(TASKS)
    const kept = await held.acquire(ORIGIN)
    await held.close({ withinMs: 20 })
    kept.report(refused())
    expect(kept.again()).toBeUndefined()
    kept.end()
  })

  test('the signal of a lease aborts when the client is cut, and not when it is closed', async () => {
    const client = clientOf(TASKS)
    const lease = await client.acquire(ORIGIN)
    const { signal } = lease
    const closing = client.close({ withinMs: 20 })
    expect(signal.aborted).toBe(false)
    await closing
    expect(signal.reason).toMatchObject({ code: 'ONEHOP_CLOSED' })
    expect(lease.signal.aborted).toBe(true)
    lease.end()
    const late = clientOf(TASKS)
    const held = await late.acquire(ORIGIN)
    await late.dispatcher.destroy()
    expect(held.signal.aborted).toBe(true)
    held.end()
  })

  test('watch and acquire refuse a closed client, and hosts that are not discovered', async () => {
    const client = clientOf(TASKS)
    expect(client.discovers('Orders.shop.local.')).toBe(true)
    expect(client.discovers('elsewhere.example')).toBe(false)
    expect(client.discovers(ORIGIN)).toBe(false)
    const listener = (): void => undefined
    expect(() => client.watch('elsewhere.example', listener)).toThrow('host: got "elsewhere.example"')
    expect(() => client.watch('orders.shop.local', undefined as never)).toThrow('listener: got undefined')
    await client.close()
    expect(() => client.watch('orders.shop.local', listener)).toThrow('[ONEHOP_CLOSED]')
    expect(() => client.acquire(ORIGIN)).toThrow('[ONEHOP_CLOSED]')
  })

  test('a watch keeps no process alive, and its listener cannot keep others from their snapshot', async () => {
    const program = `
      import { createClient } from 'onehop'
      const discovery = { resolve: async (service) => ({ service, complete: true, expiresAt: Infinity, source: 'own',
        revision: undefined, endpoints: [{ address: '10.0.0.1', port: 80, tier: 0, weight: 1, zone: undefined,
        id: undefined, attributes: undefined, origin: undefined }] }) }
      const client = createClient({ namespaces: ['shop.local'], discovery })
      process.on('uncaughtException', ({ message }) => console.log(message))
      client.watch('orders.shop.local', () => { throw new Error('from the listener') })
      client.watch('orders.shop.local', ({ endpoints }) => console.log(endpoints[0].address))
      client.watch('cold.shop.local', () => undefined)
      await new Promise((resolve) => setTimeout(resolve, 50))`
    expect((await runModule(program)).trim().split('\n')).toEqual(
      expect.arrayContaining(['10.0.0.1', 'from the listener']) as string[],
    )
  })

  test('a host that only services names is discovered', async () => {
    const client = keep(
      createClient({ discovery: clientOf(TASKS).resolver, services: { 'db.internal': { port: 5432 } } }),
    )
    using lease = await client.acquire('http://db.internal')
    expect(at(lease)).toMatch(/:5432$/)
  })
})

describe('accepts', () => {
  test('a lease goes to an endpoint that its caller accepts, and is asked about no more than that takes', async () => {
    const client = keep(clientOf(TASKS))
    await warm(client)
    const asked: string[] = []
    const accepts = ({ address }: { readonly address: string }, port: number): boolean => {
      asked.push(`${address}:${port}`)
      return address !== '127.0.1.1'
    }
    for (let count = 0; count < 10; count++) {
      using lease = now(client.acquire(ORIGIN, { accepts }))
      expect(at(lease)).not.toBe(TASKS[0])
    }
    expect(new Set(asked)).toEqual(new Set(TASKS))
    asked.length = 0
    using lease = now(
      client.acquire(ORIGIN, { accepts: (endpoint, port) => accepts(endpoint, port) || true }),
    )
    expect(asked).toEqual([at(lease)])
  })

  test('if none is accepted, there is no endpoint, and nothing is left behind', async () => {
    const client = keep(clientOf(TASKS, { maxPending: { perTask: 1, perOrigin: 10 } }))
    await warm(client)
    expect(() => client.acquire(ORIGIN, { accepts: () => false })).toThrow('[ONEHOP_NO_ENDPOINTS]')
    expect(client.inspect().callsUnderWay).toBe(0)
    using only = now(client.acquire(ORIGIN, { accepts: ({ address }) => address === '127.0.1.2' }))
    expect(at(only)).toBe(TASKS[1])
    // That one is full now.
    expect(() => client.acquire(ORIGIN, { accepts: ({ address }) => address === '127.0.1.2' })).toThrow(
      '[ONEHOP_NO_ENDPOINTS]',
    )
    expect(() => client.acquire(ORIGIN, { accepts: true as never })).toThrow(
      'acquire.accepts: got true; allowed: a function (endpoint, port) => boolean',
    )
  })

  test('a probe goes to no endpoint that is not accepted; one that is, can be the only one', async () => {
    const clock = manualClock()
    const client = keep(clientOf(TASKS, { clock }))
    await warm(client)
    const isFirst = ({ address }: { readonly address: string }): boolean => address === '127.0.1.1'
    using failed = now(client.acquire(ORIGIN, { accepts: isFirst }))
    failed.report(refused())
    failed.end()
    expect(() => client.acquire(ORIGIN, { accepts: isFirst })).toThrow('[ONEHOP_NO_ENDPOINTS]')
    // The first ejection lasts a second.
    await clock.advance(1_000)
    for (let count = 0; count < 4; count++) {
      using lease = now(client.acquire(ORIGIN, { accepts: (endpoint) => !isFirst(endpoint) }))
      expect(at(lease)).not.toBe(TASKS[0])
    }
    using probe = now(client.acquire(ORIGIN, { accepts: isFirst }))
    expect(at(probe)).toBe(TASKS[0])
    expect(upstreamOf(client, TASKS[0] as string)).toMatchObject({ state: 'probing' })
    probe.report(good())
    expect(upstreamOf(client, TASKS[0] as string)).toMatchObject({ state: 'available' })
  })

  test('the load balancer has to be accepted, too', async () => {
    const client = keep(clientOf([], { fallback: 'https://alb.example:8443' }))
    await warm(client)
    expect(() => client.acquire(ORIGIN, { accepts: () => false })).toThrow('[ONEHOP_NO_ENDPOINTS]')
    using lease = now(client.acquire(ORIGIN, { accepts: ({ tier }, port) => tier === 1 && port === 8443 }))
    expect(lease.endpoint.tier).toBe(1)
  })
})

test('a response that began well can break off, once, as in the dispatcher', async () => {
  const client = keep(clientOf([TASKS[0] as string]))
  await warm(client)
  const failures = (): unknown => upstreamOf(client, TASKS[0] as string)?.failures
  using lease = now(client.acquire(ORIGIN))
  lease.reportBreak(broken())
  expect(failures()).toBe(0)
  lease.report(good())
  lease.reportBreak(good())
  lease.reportBreak({ kind: 'cancelled', latencyMs: 1_000 })
  expect(failures()).toBe(0)
  lease.reportBreak(broken())
  lease.reportBreak({ kind: 'response', status: 503, latencyMs: 1, retryAfterMs: undefined })
  expect(failures()).toBe(1)
  expect(lease.again()).toBeUndefined()
  expect(() => lease.reportBreak({ kind: 'broken' } as never)).toThrow('outcome.kind')
})

/** What a library's users have to know of it, over the client: bodies, aborts, errors, retries, redirects. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createClient, roundRobin, staticResolver, type Client, type ClientOptions } from 'onehop'
import { startFleet, type Fleet } from 'onehop/testing'
import { afterEach, describe, expect, test } from 'vitest'
import { load } from '../packages/load.ts'
import { answering } from './answers.ts'
import type { Api, Library, SentBody } from './library.ts'

process.env['AWS_ACCESS_KEY_ID'] = 'AKIALOCALEXAMPLE'
process.env['AWS_SECRET_ACCESS_KEY'] = 'local'
process.env['AWS_REGION'] = 'eu-west-1'

const ORIGIN = 'http://orders.shop.local'
const { LIBRARIES } = await load<{ LIBRARIES: readonly Library[] }>('./libraries/index.ts')

/** How often a GET and a POST are sent that fail with every task; most are sent 3 times and once by `fetch`, once by agents. */
const SENT: Readonly<Record<string, readonly [number, number]>> = {
  'got 16': [2, 1],
  'got 14': [2, 1],
  'graphql-request': [3, 3],
  'AWS SDK (node handler)': [2, 2],
  'AWS SDK (undici handler)': [6, 2],
}
/** They return a redirect. */
const NOT_REDIRECTED = new Set([
  ...['undici request', 'node:http(s)', 'AWS SDK (node handler)', 'AWS SDK (undici handler)'],
])
/** Their recipes leave it to `timeouts`. */
const WITHOUT_LIMIT = new Set([
  ...['fetch', 'undici request', 'undici compose', 'openapi-fetch', 'AWS SDK (undici handler)'],
  ...['graphql-request', 'urql', 'Apollo Client', 'hono hc', 'tRPC'],
])

interface World {
  readonly fleet: Fleet
  readonly client: Client
  readonly api: Api
  /** `Host` of each request that a task has answered. */
  readonly hosts: string[]
  /** What a task answers instead. */
  redirectTo: string | undefined
}

const open: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).toReversed()) await close()
})

async function worldOf(library: Library, options: ClientOptions = {}, tasks = 3): Promise<World> {
  const hosts: string[] = []
  const answer = answering()
  const fleet = await startFleet({
    tasks,
    handler(request, response) {
      const { host = '' } = request.headers
      hosts.push(host)
      if (world.redirectTo === undefined || host !== 'orders.shop.local') return answer(request, response)
      request.resume()
      response.writeHead(307, { location: world.redirectTo + String(request.url) }).end()
    },
  })
  open.push(() => fleet.close())
  const addresses = fleet.tasks.map(({ address, port }) => `${address}:${port}`)
  const discovery = staticResolver({ 'orders.shop.local': addresses, 'stock.shop.local': addresses })
  const client = createClient({ namespaces: ['shop.local'], discovery, ...options })
  open.push(() => client.close({ withinMs: 1_000 }))
  const api = await library.ours(client, ORIGIN)
  open.push(() => api.close())
  const world: World = { fleet, client, api, hosts, redirectTo: undefined }
  return world
}

/** Codes and names of an error and of all that caused it. */
function causesOf(error: unknown): string[] {
  const found: string[] = []
  for (let at = error; at instanceof Error;) {
    const { code, name, cause, networkError } = at as Error & { code?: unknown; networkError?: unknown }
    found.push(typeof code === 'string' ? code : name)
    at = networkError ?? cause
  }
  return found
}

async function failureOf(call: Promise<unknown>): Promise<unknown> {
  try {
    await call
  } catch (error) {
    return error
  }
  throw new Error('it did not fail')
}

const BODIES: readonly SentBody[] = [
  { kind: 'json', value: { sku: 'B2', note: 'ä'.repeat(50_000) } },
  { kind: 'stream', chunks: ['a stream ', 'of two chunks'] },
  { kind: 'form', fields: { sku: 'C3', count: '4' } },
]

describe.each(LIBRARIES.map((library) => [library.name, library] as const))('%s', (name, library) => {
  const isRepeated = library.door !== 'agents'

  test('calls the tasks by the service’s name, over connections that are kept', async () => {
    const { fleet, api, hosts } = await worldOf(library, { balancer: roundRobin() })
    for (let count = 0; count < 10; count++)
      for (const method of ['GET', 'POST'] as const)
        expect((await api.send({ method })).task).toMatch(/^task-[123]$/)
    expect(new Set(hosts)).toEqual(new Set(['orders.shop.local']))
    for (const task of fleet.tasks) {
      const { requests, connections } = await task.stats()
      expect(requests).toBeGreaterThan(0)
      // undici reports the end of a response before its connection is free.
      expect(connections).toBeGreaterThan(0)
      expect(connections).toBeLessThanOrEqual(library.door === 'agents' ? 1 : 2)
    }
  })

  test.each(BODIES.filter(({ kind }) => library.bodies.includes(kind)))('sends $kind whole', async (body) => {
    const { fleet, api } = await worldOf(library)
    for (const task of fleet.tasks.slice(1)) await task.kill()
    const seen = await api.send({ method: 'POST', body })
    switch (body.kind) {
      case 'json':
        expect(seen.type).toContain('application/json')
        expect(JSON.parse(seen.body ?? '')).toEqual(body.value)
        break
      case 'stream':
        expect(seen.body).toBe(body.chunks.join(''))
        break
      case 'form':
        expect(seen.type).toContain('multipart/form-data; boundary=')
        for (const [field, value] of Object.entries(body.fields))
          expect(seen.body).toMatch(new RegExp(`name="${field}"\\r\\n(.+\\r\\n)?\\r\\n${value}\\r\\n`))
        break
    }
  })

  test('tasks that refuse connections cost no call of any method, and the caller’s context stays', async () => {
    const trace = new AsyncLocalStorage<string>()
    const traces: (string | undefined)[] = []
    const on = (): undefined => void traces.push(trace.getStore())
    const { fleet, api } = await worldOf(library, { retry: { on }, balancer: roundRobin() })
    for (const task of fleet.tasks.slice(1)) await task.kill()
    for (let count = 0; count < 6; count++)
      for (const method of ['GET', 'POST'] as const)
        expect((await trace.run('the call', () => api.send({ method }))).task).toBe('task-1')
    // Each of the two dead tasks was met.
    expect(traces.length).toBeGreaterThanOrEqual(2)
    expect(new Set(traces)).toEqual(new Set(['the call']))
  })

  test('repeats no more than its recipe says, in the caller’s context', async () => {
    const trace = new AsyncLocalStorage<string>()
    const traces: (string | undefined)[] = []
    const on = (): undefined => void traces.push(trace.getStore())
    const { fleet, api } = await worldOf(library, { retry: { on } })
    for (const task of fleet.tasks) await task.set({ kind: 'reset' })
    const requests = async (): Promise<number> =>
      (await Promise.all(fleet.tasks.map((task) => task.stats()))).reduce((sum, its) => sum + its.requests, 0)
    const [queries, orders] = SENT[name] ?? (isRepeated ? [3, 1] : [1, 1])
    await trace.run('query', () => failureOf(api.send({ method: 'GET' })))
    expect(await requests()).toBe(queries)
    await trace.run('order', () => failureOf(api.send({ method: 'POST' })))
    expect(await requests()).toBe(queries + orders)
    // Agents do not ask: what was sent is not theirs to repeat.
    expect([...new Set(traces)]).toEqual(isRepeated ? ['query', 'order'] : [])
    // One of the three works again.
    await fleet.tasks[1]?.set({ kind: 'none' })
    if (isRepeated) expect((await api.send({ method: 'GET' })).task).toBe('task-2')
  })

  test('says why no task could be called', async () => {
    const { fleet, api } = await worldOf(library)
    for (const task of fleet.tasks) await task.kill()
    const causes = causesOf(await failureOf(api.send({ method: 'GET' })))
    expect(causes).toContain(isRepeated ? 'ONEHOP_ATTEMPTS_EXHAUSTED' : 'ECONNREFUSED')
  })

  test('an abort ends the call at once', async () => {
    const { fleet, client, api } = await worldOf(library, { timeouts: { attemptMs: 600_000 } })
    for (const task of fleet.tasks) await task.set({ kind: 'hang' })
    const aborter = new AbortController()
    const call = failureOf(api.send({ method: 'GET', signal: aborter.signal }))
    await expect.poll(() => client.inspect().callsUnderWay).toBe(1)
    aborter.abort()
    await call
    await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
  })

  test.skipIf(NOT_REDIRECTED.has(name))('follows a redirect to another discovered host', async () => {
    const world = await worldOf(library)
    world.redirectTo = 'http://stock.shop.local'
    await world.api.send({ method: 'GET' })
    expect(world.hosts).toEqual(['orders.shop.local', 'stock.shop.local'])
  })
})

test('libraries with a time limit of their own end calls that hang', async () => {
  const limited = LIBRARIES.filter(({ name }) => !WITHOUT_LIMIT.has(name))
  const worlds = await Promise.all(
    limited.map((library) => worldOf(library, { timeouts: { attemptMs: 600_000 } })),
  )
  for (const { fleet } of worlds) for (const task of fleet.tasks) await task.set({ kind: 'hang' })
  const failures = worlds.map(({ api }) => failureOf(api.send({ method: 'POST' })))
  for (const failure of await Promise.all(failures)) expect(failure).toBeInstanceOf(Error)
  for (const { client } of worlds) await expect.poll(() => client.inspect().callsUnderWay).toBe(0)
})

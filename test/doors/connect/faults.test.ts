/**
 * Connect under one fault: four tasks as processes, of which one is killed and replaced while calls of all kinds go on.
 * Beside it Connect's own transport, with the same DNS.
 */
import { Resolver } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, staticResolver, type Client } from 'onehop'
import { grpcClassify } from 'onehop/connect'
import { startLocalAws } from 'onehop/testing'
import { afterAll, expect, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { Losses } from '../../support/losses.ts'
import { eventually } from '../../support/until.ts'
import { collect, ordersOver, ordersWithout, type Order, type Orders } from './connect.ts'
import { startTasks, Task } from './tasks.ts'

const HOST = 'orders.shop.local'
const TOTAL = 450
/** With onehop the load goes on until each task that is alive has served this many, and ends at `MAX_TOTAL`. */
const SERVED = 20
const MAX_TOTAL = 5_000
const EVERY_MS = 4
const TASK_MS = 15
const KILL_AFTER = 120
const REPLACE_AFTER = 260
/** What callers wait at most; more than an answer takes on a busy machine. */
const TIMEOUT_MS = { onehop: 40_000, 'connect-node': 4_000 } as const

type Kind = 'get' | 'place' | 'list' | 'sum' | 'echo'
const KINDS: readonly Kind[] = ['get', 'place', 'list', 'sum', 'echo']

type By = keyof typeof TIMEOUT_MS

interface Result {
  readonly failed: Record<Kind, number>
  readonly losses: Losses
  /** With onehop: in flight on the task when it was killed. */
  inFlight: number
  readonly codes: Map<string, number>
  readonly taken: Map<string, number>
}

const table: object[] = []
afterAll(() => console.table(table))

async function* two(): AsyncGenerator<Partial<Order>> {
  yield { id: 1 }
  yield { id: 2 }
}

async function call(orders: Orders, kind: Kind, timeoutMs: number): Promise<void> {
  const options = { timeoutMs }
  if (kind === 'get') await orders.get({ id: 1 }, options)
  if (kind === 'place') await orders.place({ id: 1 }, options)
  if (kind === 'sum') expect(await orders.sum(two(), options)).toMatchObject({ id: 3 })
  if (kind === 'list') expect(await collect(orders.list({ count: 2 }, options))).toHaveLength(2)
  if (kind === 'echo') expect(await collect(orders.echo(two(), options))).toHaveLength(2)
}

async function scenario(by: By): Promise<Result> {
  await using aws = await startLocalAws()
  aws.addService(HOST, { ttlSeconds: 1 })
  const tasks = await startTasks('h2c', 4)
  for (const task of tasks) {
    await task.set({ delayMs: TASK_MS })
    aws.register(HOST, task.address, { ipv4: task.address, port: task.port })
  }
  let victim = tasks[0] as Task
  await using client = createClient({
    namespaces: ['shop.local'],
    discovery: 'dns',
    dns: { servers: [aws.dns.server] },
    allowLoopback: true,
    classify: grpcClassify,
    pool: { allowH2: true, h2Options: { useH2c: true } },
    slowStartMs: 0,
  })
  const baseUrl = `http://${HOST}:${victim.port}`
  const orders =
    by === 'onehop'
      ? await ordersOver('grpc', { baseUrl, dispatcher: client.dispatcher })
      : await ordersWithout(baseUrl, lookupBy(aws.dns.server))
  const result: Result = {
    failed: { get: 0, place: 0, list: 0, sum: 0, echo: 0 },
    losses: new Losses(),
    inFlight: 0,
    codes: new Map(),
    taken: new Map(),
  }
  const one = (kind: Kind): Promise<void> =>
    result.losses.count(() =>
      call(orders, kind, TIMEOUT_MS[by]).catch((error: unknown) => {
        result.failed[kind]++
        const code = String((error as { code?: unknown }).code ?? error)
        result.codes.set(code, (result.codes.get(code) ?? 0) + 1)
        throw error
      }),
    )
  // Connections and code are warm, as those of services are.
  for (let round = 0; round < 3; round++)
    await Promise.all(Array.from({ length: 8 }, () => orders.get({ id: 1 })))
  const calls: Promise<void>[] = []
  let gone: BlackHole | undefined
  const isServed = async (): Promise<boolean> => {
    if (by !== 'onehop') return true
    const served = await Promise.all(tasks.filter(({ alive }) => alive).map(callsOf))
    return served.every((count) => count > SERVED)
  }
  for (let count = 0; count < TOTAL || (count < MAX_TOTAL && !(await isServed())); count++) {
    calls.push(one(KINDS[count % KINDS.length] as Kind))
    if (count === KILL_AFTER) {
      victim = await busiest(tasks)
      await result.losses.during(() => {
        result.inFlight = pendingOn(client, victim)
        return victim.kill()
      })
      // On Fargate the address of a task that is gone answers nothing: no RST.
      gone = await BlackHole.start(victim.address, victim.port)
    }
    if (count === REPLACE_AFTER) {
      aws.deregister(HOST, victim.address)
      const next = await Task.start('h2c', '127.0.1.5', victim.port)
      await next.set({ delayMs: TASK_MS })
      tasks.push(next)
      aws.register(HOST, next.address, { ipv4: next.address, port: next.port })
    }
    await delay(EVERY_MS)
  }
  await Promise.all(calls)
  await gone?.[Symbol.asyncDispose]()
  for (const task of tasks) {
    result.taken.set(task.address, task.alive ? await callsOf(task) : -1)
    await task.kill()
  }
  return result
}

async function callsOf(task: Task): Promise<number> {
  return (await task.stats()).calls.length
}

function pendingOn(client: Client, { label }: Task): number {
  return Object.values(client.inspect().services[HOST]?.origins ?? {})
    .flatMap(({ upstreams }) => upstreams)
    .filter(({ upstream }) => upstream === label)
    .reduce((sum, { pending }) => sum + pending, 0)
}

/** The one that has taken most calls: Connect's own transport calls one at a time. */
async function busiest(tasks: readonly Task[]): Promise<Task> {
  const counts = await Promise.all(tasks.map(callsOf))
  return tasks[counts.indexOf(Math.max(...counts))] as Task
}

function lookupBy(server: string): LookupFunction {
  const resolver = new Resolver()
  resolver.setServers([server])
  return (host, _options, callback) =>
    resolver.resolve4(host, (error, addresses: string[] | undefined) =>
      callback(
        error,
        (addresses ?? []).map((address) => ({ address, family: 4 })),
      ),
    )
}

function show(transport: By, { failed, codes, taken }: Result): void {
  const shares = [...taken.values()].filter((count) => count >= 0).join(' ')
  table.push({ transport, ...failed, codes: [...codes].join(' '), taken: shares })
}

test('a killed task costs what was in flight on it and must not be sent again; its replacement is called', async () => {
  const result = await scenario('onehop')
  show('onehop', result)
  // What reads is sent again.
  expect(result.failed.get).toBe(0)
  expect(result.losses.unexpected).toEqual([])
  expect(result.losses.failed).toBeLessThanOrEqual(result.inFlight)
  const alive = [...result.taken.values()].filter((count) => count >= 0)
  expect(alive).toHaveLength(4)
  for (const count of alive) expect(count).toBeGreaterThan(SERVED)
})

test("connect-node's own transport loses all that is in flight, and calls one task at a time", async () => {
  const result = await scenario('connect-node')
  show('connect-node', result)
  expect([...result.taken.values()].filter((count) => count === 0).length).toBeGreaterThanOrEqual(2)
})

test('a task that restarts at its address takes calls again', async () => {
  const tasks = await startTasks('h2c', 2)
  await using client = createClient({
    discovery: staticResolver({ [HOST]: tasks.map(({ label }) => label) }),
    services: { [HOST]: {} },
    classify: grpcClassify,
    pool: { allowH2: true, h2Options: { useH2c: true } },
    slowStartMs: 0,
  })
  const orders = await ordersOver('grpc', { baseUrl: `http://${HOST}`, dispatcher: client.dispatcher })
  for (let id = 0; id < 10; id++) await orders.get({ id })
  const [first, second] = tasks as [Task, Task]
  await first.kill()
  for (let id = 0; id < 10; id++) expect((await orders.place({ id })).task).toBe(second.address)
  const again = await Task.start('h2c', first.address, first.port)
  try {
    await eventually(
      async () => (await orders.get({ id: 1 })).task,
      (task) => task === first.address,
    )
  } finally {
    await again.kill()
    await second.kill()
  }
})

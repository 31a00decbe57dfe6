/**
 * A constant load on four tasks, of which one is killed and replaced; beside it the same load through gRPC's own `dns` resolver
 * and `round_robin`. Then tasks that end in order, and a service that grows and shrinks.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, p2c, type Client } from 'onehop'
import { startLocalAws, type LocalAws } from 'onehop/testing'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { BlackHole } from '../../../chaos/black-hole.ts'
import { eventsOf } from '../../support/events.ts'
import { resources } from '../../support/resources.ts'
import { eventually } from '../../support/until.ts'
import { GrpcFleet, type GrpcTask } from './fleet.ts'
import { get, ordersAt, ordersOver, upstreams } from './orders.ts'
import type { OrdersClient } from './packages/load.ts'

const { keep } = resources()
const HOST = 'orders.shop.local'
const EVERY_MS = 4
/** Each task takes this long, so that calls are in flight on the one that is killed. */
const TASK_MS = 20
/** More than tasks and this process take, and less than a connection that waits for a task that is gone. */
const SLOW_MS = 200
const DEADLINE_EXCEEDED = 4

class World {
  readonly aws: LocalAws
  readonly fleet: GrpcFleet

  constructor(aws: LocalAws, fleet: GrpcFleet) {
    this.aws = aws
    this.fleet = fleet
  }

  static async start(tasks: number): Promise<World> {
    const aws = await startLocalAws()
    onTestFinished(() => aws.close())
    aws.addService(HOST, { ttlSeconds: 1 })
    const world = new World(aws, await GrpcFleet.start(0))
    await world.add(tasks)
    return world
  }

  async add(count: number): Promise<void> {
    for (const task of await this.fleet.add(count)) {
      await task.behave({ delayMs: TASK_MS })
      this.aws.register(HOST, task.label, { ipv4: task.address, port: task.port })
    }
  }

  deregister(task: GrpcTask): void {
    this.aws.deregister(HOST, task.label)
  }

  client(): Client {
    return keep(
      createClient({
        namespaces: ['shop.local'],
        discovery: 'dns',
        dns: { servers: [this.aws.dns.server] },
        allowLoopback: true,
        balancer: p2c(),
        // A task that is new takes its whole share at once: the scenarios are shorter than the usual slow start.
        slowStartMs: 0,
        port: this.fleet.port,
      }),
    )
  }
}

interface Result {
  calls: number
  failed: number
  slow: number
  readonly errors: Map<string, number>
  readonly taken: Map<string, number>
}

/** Calls at a constant rate, each with a deadline, until it is stopped. */
class Load {
  readonly result: Result = { calls: 0, failed: 0, slow: 0, errors: new Map(), taken: new Map() }
  readonly #orders: OrdersClient
  readonly #deadlineMs: number
  readonly #calls: Promise<void>[] = []
  readonly #running: Promise<void>
  #isStopped = false

  constructor(orders: OrdersClient, deadlineMs = 5_000) {
    this.#orders = orders
    this.#deadlineMs = deadlineMs
    this.#running = this.#run()
  }

  async stop(): Promise<Result> {
    this.#isStopped = true
    await this.#running
    await Promise.all(this.#calls)
    return this.result
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      this.#calls.push(this.#call())
      await delay(EVERY_MS)
    }
  }

  async #call(): Promise<void> {
    const { result } = this
    const begun = performance.now()
    result.calls++
    try {
      const { task } = await get(this.#orders, '1', { deadline: Date.now() + this.#deadlineMs })
      result.taken.set(task, (result.taken.get(task) ?? 0) + 1)
    } catch (error) {
      result.failed++
      const { code } = error as { code: number }
      result.errors.set(String(code), (result.errors.get(String(code)) ?? 0) + 1)
    }
    if (performance.now() - begun > SLOW_MS) result.slow++
  }
}

const table: object[] = []
afterAll(() => {
  if (table.length > 0) console.table(table)
})

const OURS = 'cloudmap, onehop'
const SIDES: Readonly<Record<string, (world: World) => OrdersClient>> = {
  [OURS]: (world) => ordersOver(world.client()),
  'dns, round_robin': ({ aws, fleet }) =>
    ordersAt(`dns://${aws.dns.server}/${HOST}:${fleet.port}`, {
      'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    }),
}

test.each(Object.entries(SIDES))('%s: one of four tasks is killed and replaced', async (side, make) => {
  const world = await World.start(4)
  const [victim] = world.fleet.tasks
  const orders = make(world)
  // What a process loads with its first lookup is not the scenario.
  await get(orders)
  const load = new Load(orders)
  await delay(700)
  await victim?.kill()
  // On Fargate the address of a task that is gone answers nothing: no RST.
  const gone = await BlackHole.start(victim?.address ?? '', world.fleet.port)
  onTestFinished(() => gone[Symbol.asyncDispose]())
  await delay(1_200)
  world.deregister(victim as GrpcTask)
  await world.add(1)
  const replacement = world.fleet.labels[4] ?? ''
  const ofReplacement = (): number => load.result.taken.get(replacement) ?? 0
  // gRPC's own resolver asks again after 30 s at the earliest.
  if (side === OURS) await eventually(ofReplacement, (count) => count > 50)
  else await delay(2_000)
  const { calls, failed, slow, errors } = await load.stop()
  table.push({ side, calls, failed, slow, errors: [...errors].join(' '), replacement: ofReplacement() })
  // 250 calls a second that take 20 ms each: five are in flight, one or two of them on the killed task.
  if (side === OURS) expect(failed).toBeLessThanOrEqual(6)
})

test('a task that is killed is ejected, and the event says why', async () => {
  const world = await World.start(2)
  const client = world.client()
  const ejected = eventsOf('onehop:upstream.ejected')
  const load = new Load(ordersOver(client))
  await delay(300)
  const [victim] = world.fleet.tasks
  await victim?.kill()
  await eventually(
    () => ejected,
    (events) => events.length > 0,
  )
  expect(ejected[0]).toMatchObject({ host: HOST, upstream: victim?.label, cause: 'refuses' })
  expect(ejected[0]?.reason).toContain('ECONNREFUSED')
  expect(upstreams(client, ({ state }) => state)).toMatchObject({ [victim?.label ?? '']: 'ejected' })
  const { failed } = await load.stop()
  expect(failed).toBeLessThanOrEqual(6)
})

test('a task that hangs gets few calls', async () => {
  const world = await World.start(3)
  const load = new Load(ordersOver(world.client()), 1_000)
  await eventually(
    () => load.result.taken.size,
    (tasks) => tasks === 3,
  )
  const [hanging] = world.fleet.tasks
  hanging?.signal('SIGSTOP')
  const before = load.result.calls
  await delay(3_000)
  const { calls, failed, errors } = await load.stop()
  // A third would be more than 100.
  expect(failed).toBeLessThan((calls - before) / 8)
  expect([...errors.keys()]).toEqual([String(DEADLINE_EXCEEDED)])
})

test('a task that ends in order costs no call: server.tryShutdown, without a word to discovery', async () => {
  const world = await World.start(3)
  const client = world.client()
  const load = new Load(ordersOver(client))
  await delay(500)
  const [ending] = world.fleet.tasks
  await ending?.shutdown()
  await delay(700)
  const { failed, taken, errors } = await load.stop()
  expect([failed, [...errors]]).toEqual([0, []])
  expect(taken.size).toBe(3)
})

test('a service grows from 4 to 8 tasks and shrinks to 2: no call fails, and all take part', async () => {
  const world = await World.start(4)
  const client = world.client()
  const orders = ordersOver(client)
  const load = new Load(orders)
  await delay(300)
  await world.add(4)
  await eventually(
    () => load.result.taken.size,
    (tasks) => tasks === 8,
  )
  const leaving = world.fleet.tasks.slice(0, 6)
  for (const task of leaving) world.deregister(task)
  await eventually(
    () => Object.keys(upstreams(client, () => 0)),
    (labels) => labels.length === 2,
  )
  // What is in flight ends first.
  await delay(100)
  await Promise.all(leaving.map((task) => task.kill()))
  await delay(300)
  const { failed, errors } = await load.stop()
  expect([failed, [...errors]]).toEqual([0, []])
})

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
import { Losses } from '../../support/losses.ts'
import { resources } from '../../support/resources.ts'
import { eventually, until } from '../../support/until.ts'
import { GrpcFleet, type GrpcTask } from './fleet.ts'
import { get, ordersAt, ordersOver, upstreams } from './orders.ts'
import type { OrdersClient } from './packages/load.ts'

const { keep } = resources()
const HOST = 'orders.shop.local'
const EVERY_MS = 4
/** A machine that is slow calls less, instead of piling calls up. */
const MAX_IN_FLIGHT = 16
/** Each task takes this long, so that calls are in flight on the one that is killed. */
const TASK_MS = 20
/** More than tasks and this process take on an idle machine, and less than a connection that waits for a task that is gone. */
const SLOW_MS = 200
/** More than any call takes that ends well, on a busy machine, too. */
const DEADLINE_MS = 60_000
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
    const world = new World(aws, await GrpcFleet.start(tasks))
    await world.#register(world.fleet.tasks)
    return world
  }

  async add(count: number): Promise<void> {
    await this.#register(await this.fleet.add(count))
  }

  async #register(tasks: readonly GrpcTask[]): Promise<void> {
    for (const task of tasks) {
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

/** Calls at a constant rate, each with a deadline, until it is stopped. */
class Load {
  readonly losses: Losses = new Losses()
  slow = 0
  /** By code. */
  readonly errors: Map<string, number> = new Map()
  /** Answers by task. */
  readonly taken: Map<string, number> = new Map()
  readonly #orders: OrdersClient
  readonly #deadlineMs: number
  readonly #inFlight = new Set<Promise<void>>()
  readonly #running: Promise<void>
  #isStopped = false

  constructor(orders: OrdersClient, deadlineMs: number = DEADLINE_MS) {
    this.#orders = orders
    this.#deadlineMs = deadlineMs
    this.#running = this.#run()
  }

  /** Waits for the answers of the calls that have begun by now. */
  async settled(): Promise<void> {
    await Promise.all(this.#inFlight)
  }

  async isTakenBy(tasks: number): Promise<void> {
    await eventually(
      () => this.taken.size,
      (size) => size === tasks,
    )
  }

  /** Waits until so many further calls have begun. */
  async goesOn(count: number): Promise<void> {
    const { begun } = this.losses
    await until(() => this.losses.begun >= begun + count)
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
    await this.settled()
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      if (this.#inFlight.size < MAX_IN_FLIGHT) {
        const call = this.losses.count(() => this.#call())
        this.#inFlight.add(call)
        void call.finally(() => this.#inFlight.delete(call))
      }
      await delay(EVERY_MS)
    }
  }

  async #call(): Promise<void> {
    const begun = performance.now()
    try {
      const { task } = await get(this.#orders, '1', { deadline: Date.now() + this.#deadlineMs })
      this.taken.set(task, (this.taken.get(task) ?? 0) + 1)
    } catch (error) {
      const { code } = error as { code: number }
      this.errors.set(String(code), (this.errors.get(String(code)) ?? 0) + 1)
      throw error
    } finally {
      if (performance.now() - begun > SLOW_MS) this.slow++
    }
  }
}

/** Kills a task under a load. @returns how many calls that may cost: in flight there, or begun before the loss was known */
async function killed(task: GrpcTask, load: Load, client: Client): Promise<number> {
  let inFlight = 0
  const begun = await load.losses.during(() => {
    inFlight = upstreams(client, ({ pending }) => pending)[task.label] ?? 0
    return task.kill()
  })
  return inFlight + begun
}

const table: object[] = []
afterAll(() => {
  if (table.length > 0) console.table(table)
})

test('one of four tasks is killed and replaced: no call fails but those in flight there', async () => {
  const world = await World.start(4)
  const client = world.client()
  const orders = ordersOver(client)
  // What a process loads with its first lookup is not the scenario.
  await get(orders)
  const load = new Load(orders)
  await load.isTakenBy(4)
  const [victim] = world.fleet.tasks as [GrpcTask]
  const atRisk = await killed(victim, load, client)
  await vanishes(victim)
  await load.goesOn(200)
  const replacement = await replaced(world, victim)
  await eventually(
    () => load.taken.get(replacement) ?? 0,
    (count) => count > 50,
  )
  await load.stop()
  table.push(rowOf('cloudmap, onehop', load, replacement))
  expect(load.losses.unexpected).toEqual([])
  expect(load.losses.failed).toBeLessThanOrEqual(atRisk)
})

test('beside it: dns, round_robin', async () => {
  const world = await World.start(4)
  const { aws, fleet } = world
  const config = JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] })
  const orders = ordersAt(`dns://${aws.dns.server}/${HOST}:${fleet.port}`, { 'grpc.service_config': config })
  await get(orders)
  const load = new Load(orders, 5_000)
  await load.isTakenBy(4)
  const [victim] = fleet.tasks as [GrpcTask]
  await victim.kill()
  await vanishes(victim)
  await load.goesOn(200)
  const replacement = await replaced(world, victim)
  // gRPC's own resolver asks again after 30 s at the earliest.
  await load.goesOn(400)
  await load.stop()
  table.push(rowOf('dns, round_robin', load, replacement))
})

/** On Fargate the address of a task that is gone answers nothing: no RST. */
async function vanishes({ address, port }: GrpcTask): Promise<void> {
  const gone = await BlackHole.start(address, port)
  onTestFinished(() => gone[Symbol.asyncDispose]())
}

/** @returns the label of the new task */
async function replaced(world: World, task: GrpcTask): Promise<string> {
  world.deregister(task)
  await world.add(1)
  return world.fleet.labels.at(-1) ?? ''
}

function rowOf(side: string, { losses, slow, errors, taken }: Load, replacement: string): object {
  const { begun: calls, failed } = losses
  const codes = [...errors].join(' ')
  return { side, calls, failed, slow, errors: codes, replacement: taken.get(replacement) ?? 0 }
}

test('a task that is killed is ejected, and the event says why', async () => {
  const world = await World.start(2)
  const client = world.client()
  const ejected = eventsOf('onehop:upstream.ejected')
  const load = new Load(ordersOver(client))
  await load.isTakenBy(2)
  const [victim] = world.fleet.tasks as [GrpcTask]
  const atRisk = await killed(victim, load, client)
  // Again and again: probes meet a port where nothing listens.
  await eventually(
    () => upstreams(client, ({ state }) => state)[victim.label],
    (state) => state === 'ejected',
  )
  // A connection that the dying task had taken ends without a reason. Later ones are refused.
  await eventually(
    () => ejected.some(({ reason }) => reason.includes('ECONNREFUSED')),
    (isRefused) => isRefused,
  )
  expect(
    ejected.every(
      ({ host, upstream, cause }) => host === HOST && upstream === victim.label && cause === 'refuses',
    ),
  ).toBe(true)
  await load.stop()
  expect(load.losses.unexpected).toEqual([])
  expect(load.losses.failed).toBeLessThanOrEqual(atRisk)
})

test('a task that hangs gets few calls', async () => {
  const world = await World.start(3)
  const client = world.client()
  const load = new Load(ordersOver(client), 1_000)
  await load.isTakenBy(3)
  const [hanging] = world.fleet.tasks as [GrpcTask]
  const requests = (): Record<string, number> => upstreams(client, (upstream) => upstream.requests)
  const before = requests()
  hanging.signal('SIGSTOP')
  await load.goesOn(600)
  const after = requests()
  await load.stop()
  const sent = Object.keys(after).map((label) => [label, (after[label] ?? 0) - (before[label] ?? 0)] as const)
  const all = sent.reduce((sum, [, count]) => sum + count, 0)
  // One in three if it were called like the others.
  expect(Object.fromEntries(sent)[hanging.label]).toBeLessThan(all / 8)
  expect([...load.errors.keys()]).toEqual([String(DEADLINE_EXCEEDED)])
})

test('a task that ends in order costs no call: server.tryShutdown, without a word to discovery', async () => {
  const world = await World.start(3)
  const client = world.client()
  const load = new Load(ordersOver(client))
  await load.isTakenBy(3)
  const [ending] = world.fleet.tasks
  await ending?.shutdown()
  await load.goesOn(150)
  await load.stop()
  expect(load.losses.unexpected).toEqual([])
})

test('a service grows from 4 to 8 tasks and shrinks to 2: no call fails, and all take part', async () => {
  const world = await World.start(4)
  const client = world.client()
  const orders = ordersOver(client)
  const load = new Load(orders)
  await load.isTakenBy(4)
  await world.add(4)
  await load.isTakenBy(8)
  const leaving = world.fleet.tasks.slice(0, 6)
  for (const task of leaving) world.deregister(task)
  await eventually(
    () => Object.keys(upstreams(client, () => 0)),
    (labels) => labels.length === 2,
  )
  // What is in flight ends first.
  await load.settled()
  await Promise.all(leaving.map((task) => task.kill()))
  await load.goesOn(75)
  await load.stop()
  expect(load.losses.unexpected).toEqual([])
})

/** A client, its tasks and its discovery for a second or two, all by one seed; and what must hold of them. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import {
  createClient,
  leastRequest,
  p2c,
  roundRobin,
  taskEndpoint,
  type Client,
  type ClientOptions,
  type Clock,
  type Resolver,
} from 'onehop'
import { systemClock } from '../../../src/core/clock.ts'
import { seededRandom } from '../../../src/testing/fakes/seeded-random.ts'
import { TRANSPORTS, type Transport } from '../../support/transports/transports.ts'
import { Awake } from './awake.ts'
import { makeCall, type MadeCall } from './call.ts'
import { Draw } from './draw.ts'
import { Ledger } from './ledger.ts'
import { FuzzTask } from './task.ts'

/** Transports of the tests' own, and TLS with few connections. */
export const FUZZED: Readonly<Record<string, Transport>> = {
  ...TRANSPORTS,
  'capped https': { ...TRANSPORTS.https, pool: { ...TRANSPORTS.https.pool, connections: 2 } },
}

export interface Verdict {
  readonly seed: number
  readonly faults: readonly string[]
  readonly counts: Readonly<Record<string, number>>
}

const HOST = 'orders.shop.local'
/** Callers leave then, at the latest: what hangs is over. */
const CALLER_LEAVES_AFTER_MS = 1_200
/** A bound for what takes no time on a machine of one's own. */
const SLACK_MS = 3_000
const STEP_MS = 5
/** Calls at once, now and then. */
const BURST = 40

const ENDINGS = {
  'close when idle': 3,
  close: 2,
  'close within a time': 3,
  destroy: 2,
  'close, then destroy': 1,
  'close twice': 1,
} as const

export async function runWorld(name: string, seed: number): Promise<Verdict> {
  using awake = new Awake()
  const world = new World(name, seed, awake)
  await world.run()
  return { seed, faults: [...world.ledger.faults], counts: world.ledger.counts }
}

class World {
  readonly ledger: Ledger
  readonly #awake: Awake
  readonly #seed: string
  readonly #draw: Draw
  readonly #transport: Transport
  readonly #tasks: readonly FuzzTask[]
  readonly #clock = new CountingClock()
  /** Of the client, all that were ever connected. */
  readonly #sockets = new Set<Socket>()
  readonly #maxReplayBytes: number
  readonly #calls: MadeCall[] = []
  #over = false

  constructor(name: string, seed: number, awake: Awake) {
    this.#awake = awake
    this.ledger = new Ledger()
    const transport = FUZZED[name]
    if (transport === undefined) throw new Error(`no transport "${name}": ${Object.keys(FUZZED).join(', ')}`)
    this.#transport = transport
    this.#seed = `${name} ${seed}`
    this.#draw = new Draw(this.#seed)
    this.#maxReplayBytes = this.#draw.of([1_000, 16_384, 65_536])
    this.#tasks = Array.from(
      { length: this.#draw.integer(2, 5) },
      (_, index) => new FuzzTask(this.#seed, `127.0.1.${index + 1}`, transport, this.ledger),
    )
  }

  async run(): Promise<void> {
    const { ledger } = this
    const hear = (error: unknown): void =>
      ledger.fault(`nobody heard of: ${error instanceof Error ? error.stack : String(error)}`)
    const connected = (message: unknown): void =>
      void this.#sockets.add((message as { socket: Socket }).socket)
    const sent = (message: unknown): void =>
      ledger.sent((message as { request: { path: string } }).request.path.slice(1))
    subscribe('undici:client:connected', connected)
    subscribe('undici:client:sendHeaders', sent)
    process.on('unhandledRejection', hear)
    process.on('uncaughtException', hear)
    try {
      for (const task of this.#tasks) await task.listen()
      await this.#live()
    } finally {
      this.#over = true
      for (const task of this.#tasks) await task.end()
      unsubscribe('undici:client:connected', connected)
      unsubscribe('undici:client:sendHeaders', sent)
      process.off('unhandledRejection', hear)
      process.off('uncaughtException', hear)
    }
  }

  async #live(): Promise<void> {
    const client = createClient(this.#options())
    // In steps, so that a world has its calls on a busy machine, too.
    const steps = Math.round(this.#draw.integer(300, 1_500) / STEP_MS)
    const perStep = this.#draw.integer(1, 3)
    const ending = this.#draw.weighted(ENDINGS)
    this.ledger.count(ending)
    const moods = this.#changeMoods()
    for (let step = 0; step < steps; step++) {
      this.#call(client, this.#draw.chance(0.05) ? BURST : perStep)
      await delay(STEP_MS)
    }
    if (ending === 'close when idle') {
      await this.#settled(SLACK_MS + CALLER_LEAVES_AFTER_MS)
      await this.#expectIdle(client)
    }
    const closing = this.#close(client, ending)
    // They come too late, and are told.
    this.#call(client, perStep)
    await closing
    await this.#settled(SLACK_MS)
    await this.#expectIdle(client)
    this.#over = true
    await moods
    await this.#expectNothingLeft()
  }

  #options(): ClientOptions {
    const draw = this.#draw
    const { pool } = this.#transport
    const budget = { ratio: 10, minPerSecond: 1_000 }
    const attempts = draw.integer(2, 4)
    const retry = { attempts, baseMs: draw.integer(1, 30), maxReplayBytes: this.#maxReplayBytes, budget }
    const random = seededRandom(draw.integer(0, 2 ** 31))
    const connections = pool?.connections === undefined ? {} : { connections: draw.integer(1, 3) }
    return {
      namespaces: ['shop.local'],
      discovery: this.#resolver(),
      clock: this.#clock,
      random,
      balancer: draw.of([p2c, leastRequest, roundRobin])({ random }),
      retry: draw.chance(0.85) ? retry : false,
      hedge: draw.chance(0.5) && {
        percentile: draw.of([50, 90]),
        minMs: 1,
        budget: { ratio: 1, minPerSecond: 1_000 },
      },
      timeouts: {
        connectMs: draw.integer(30, 300),
        attemptMs: draw.of([60, 250, 600, 15_000]),
        deadlineMs: draw.of([undefined, undefined, 100, 400]),
      },
      slowStartMs: draw.of([0, 200]),
      outlier: draw.of([undefined, false]),
      maxPending: draw.chance(0.2)
        ? { perTask: draw.integer(2, 8), perOrigin: draw.integer(10, 60) }
        : undefined,
      pool: { ...pool, ...connections },
    }
  }

  /** Fails, is late, names some of the tasks, or none, or addresses where nobody is. */
  #resolver(): Resolver {
    let lookups = 0
    const closeRejects = this.#draw.chance(0.1)
    const seed = this.#seed
    const tasks = this.#tasks
    return {
      trusted: true,
      async resolve(service, signal) {
        const draw = new Draw(seed, 'lookup', lookups)
        // Where the first one fails, most of a world's calls do.
        const answers = lookups++ === 0 ? 90 : 10
        await delay(draw.integer(0, 30), undefined, { signal })
        const manner = draw.weighted({ answers, fails: 2, 'is late': 1, 'knows of none': 1 })
        if (manner === 'fails') throw new Error('no answer')
        if (manner === 'is late') await delay(draw.integer(50, 500), undefined, { signal })
        const named = manner === 'knows of none' ? [] : tasks.filter(() => draw.chance(0.8))
        const endpoints = named.map(({ address, port }) => taskEndpoint(address, { port }))
        if (draw.chance(0.1)) endpoints.push(taskEndpoint('127.0.3.250', { port: 9 }))
        return {
          service,
          endpoints,
          complete: draw.chance(0.7),
          expiresAt: systemClock.now() + draw.integer(20, 400),
          source: 'fuzz',
          revision: undefined,
        }
      },
      close: () => (closeRejects ? Promise.reject(new Error('the resolver would not close')) : undefined),
    }
  }

  async #changeMoods(): Promise<void> {
    const draw = new Draw(this.#seed, 'moods')
    while (!this.#over) {
      await delay(draw.integer(20, 300))
      if (!this.#over) await draw.of(this.#tasks).change(draw)
    }
  }

  #call(client: Client, count: number): void {
    const { scheme, protocol } = this.#transport
    for (let made = 0; made < count; made++) {
      const call = makeCall(
        {
          seed: this.#seed,
          client,
          origin: `${scheme}://${HOST}`,
          ledger: this.ledger,
          maxReplayBytes: this.#maxReplayBytes,
          http2: protocol === 'HTTP/2',
        },
        this.#calls.length,
      )
      const patience = setTimeout(call.leave, CALLER_LEAVES_AFTER_MS)
      void call.ended.then(() => clearTimeout(patience))
      this.#calls.push(call)
    }
  }

  async #close(client: Client, ending: keyof typeof ENDINGS): Promise<void> {
    const withinMs = this.#draw.integer(1, 300)
    const error = this.#draw.chance(0.5) ? new Error('destroyed') : undefined
    const close = (): Promise<void> => {
      switch (ending) {
        case 'close within a time':
          return client.close({ withinMs })
        case 'destroy':
          return client.dispatcher.destroy(error ?? null)
        case 'close, then destroy':
          return Promise.all([client.close(), delay(withinMs).then(() => client.dispatcher.destroy())]).then(
            nothing,
          )
        case 'close twice':
          return Promise.all([client.close(), client.close({ withinMs })]).then(nothing)
        case 'close':
        case 'close when idle':
          return client.close()
      }
    }
    // What a resolver of the user's fails with may be told, or not.
    const closed = close().catch(nothing)
    const allowedMs = SLACK_MS + (ending === 'close' ? CALLER_LEAVES_AFTER_MS : withinMs)
    if (!(await this.#awake.within(allowedMs, closed)))
      this.ledger.fault(`"${ending}" has not settled in ${allowedMs} ms`)
  }

  async #settled(allowedMs: number): Promise<void> {
    if (await this.#awake.within(allowedMs, Promise.all(this.#calls.map(({ ended }) => ended)))) return
    for (const { record } of this.#calls) if (!record.hasEnded) this.ledger.fault('never ends', record.id)
  }

  /** No call is under way, and no task has one. */
  async #expectIdle(client: Client): Promise<void> {
    const left = (): string[] => {
      const { callsUnderWay, services } = client.inspect()
      const origins = Object.values(services).flatMap((service) => Object.values(service.origins))
      return [
        ...(callsUnderWay === 0 ? [] : [`${callsUnderWay} calls under way`]),
        ...origins
          .flatMap(({ upstreams }) => upstreams)
          .filter(({ pending }) => pending !== 0)
          .map(({ upstream, pending }) => `${upstream} has ${pending} pending`),
      ]
    }
    if (await this.#awake.eventually(SLACK_MS, () => left().length === 0)) return
    this.ledger.fault(`all calls are over, but ${left().join(', ')}`)
  }

  async #expectNothingLeft(): Promise<void> {
    const { ledger } = this
    const open = (): FuzzTask[] => this.#tasks.filter(({ sockets }) => sockets.size > 0)
    // A TLS server does not hear of each end: of connections that were reset in their handshake, Node reads no more.
    const hears = this.#transport.scheme === 'http'
    if (hears && !(await this.#awake.eventually(SLACK_MS, () => open().length === 0)))
      for (const { label, sockets } of open())
        ledger.fault(`${sockets.size} connections to ${label} are left`)
    const unended = (): Socket[] => [...this.#sockets].filter(({ destroyed }) => !destroyed)
    if (!(await this.#awake.eventually(SLACK_MS, () => unended().length === 0)))
      ledger.fault(`${unended().length} sockets of the client are left`)
    if (!(await this.#awake.eventually(SLACK_MS, () => this.#clock.timers.size === 0)))
      ledger.fault(`${this.#clock.timers.size} timers are left: ${[...this.#clock.timers].join(', ')}`)
    const unclosed = (): MadeCall[] => this.#calls.filter(({ body }) => !body.isClosed())
    if (!(await this.#awake.eventually(SLACK_MS, () => unclosed().length === 0)))
      for (const { record, body } of unclosed()) ledger.fault(`the ${body.kind} was left open`, record.id)
  }
}

/** Knows which timers are set. */
class CountingClock implements Clock {
  readonly timers: Set<string> = new Set()
  #number = 0

  now(): number {
    return systemClock.now()
  }

  setTimer(callback: () => void, delayMs: number, awaited?: boolean): { cancel(): void } {
    const name = `${++this.#number} (${Math.round(delayMs)} ms)`
    this.timers.add(name)
    const timer = systemClock.setTimer(
      () => {
        this.timers.delete(name)
        callback()
      },
      delayMs,
      awaited,
    )
    return {
      cancel: () => {
        this.timers.delete(name)
        timer.cancel()
      },
    }
  }

  afterIo(callback: () => void): void {
    systemClock.afterIo(callback)
  }
}

function nothing(): void {}

/**
 * The caller: some libraries, each under a steady load of its own, in a process of whichever Node. Its parent causes the
 * fault.
 */
import dns from 'node:dns'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { createClient, type Client } from 'onehop'
import { load } from '../packages/load.ts'
import type { Api, Library } from '../recipes/library.ts'
import { SLOW_MS, type Counts, type Order, type Report, type Tally } from './order.ts'

/** A caller gives up then, also where its library has no limit. */
const MAX_CALL_MS = 10_000

process.once('disconnect', () => process.exit())
/** The parent's second message. */
const ending = new AbortController()
process.once('message', (order: Order) => {
  process.once('message', () => ending.abort())
  void run(order).then(
    // What was given up may still be there.
    (done) => process.send?.(done, () => process.exit()),
    (error: Error) => process.send?.({ kind: 'failed', error: error.stack ?? error.message }),
  )
})

async function run(order: Order): Promise<Report> {
  const { LIBRARIES } = await load<{ LIBRARIES: readonly Library[] }>('./libraries/index.ts')
  const client = order.side === 'onehop' ? clientOf(order) : undefined
  if (client === undefined) nameServer(order.dnsServer)
  const chosen = LIBRARIES.filter(({ name }) => order.libraries.includes(name))
  const apis = await Promise.all(
    chosen.map((library) =>
      client === undefined ? library.plain(order.origin) : library.ours(client, order.origin),
    ),
  )
  for (const api of apis) for (const method of ['GET', 'POST'] as const) await api.send({ method })
  process.send?.({ kind: 'begun' } satisfies Report)
  const lateness = monitorEventLoopDelay({ resolution: 5 })
  lateness.enable()
  const all = new Calls()
  const tallies = await Promise.all(
    chosen.map(({ name }, index) =>
      loadOf(name, apis[index] as Api, order, (index * order.everyMs) / chosen.length, all),
    ),
  )
  await Promise.all(apis.map((api) => api.close()))
  await client?.close({ withinMs: 5_000 })
  return { kind: 'done', tallies, mostInFlight: all.mostInFlight, lateMaxMs: lateness.max / 1e6 }
}

/** What the calls of all libraries come to. */
class Calls {
  mostInFlight = 0
  #inFlight = 0
  readonly #tasks = new Set<string>()

  begin(): void {
    this.#inFlight++
    this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight)
  }

  end(): void {
    this.#inFlight--
  }

  answeredBy(task: string): void {
    if (this.#tasks.has(task)) return
    this.#tasks.add(task)
    process.send?.({ kind: 'answered', tasks: this.#tasks.size } satisfies Report)
  }
}

function clientOf({ dnsServer }: Order): Client {
  return createClient({
    namespaces: ['shop.local'],
    discovery: 'dns',
    dns: { servers: [dnsServer] },
    allowLoopback: true,
  })
}

/**
 * As in a task on Fargate, whose resolver knows the namespace: every library looks names up by `dns.lookup`. Addresses
 * come in random order, as from Route 53.
 */
function nameServer(server: string): void {
  const resolver = new dns.Resolver()
  resolver.setServers([server])
  const lookup = (host: string, options: unknown, callback: (...given: unknown[]) => void): void => {
    const { all = false } = typeof options === 'object' ? (options as { all?: boolean }) : {}
    resolver.resolve4(host, (error, found: string[] | undefined) => {
      const addresses = (found ?? []).toSorted(() => Math.random() - 0.5)
      if (error !== null) callback(error)
      else if (all)
        callback(
          null,
          addresses.map((address) => ({ address, family: 4 })),
        )
      else callback(null, addresses[0], 4)
    })
  }
  dns.lookup = lookup as never
}

async function loadOf(library: string, api: Api, order: Order, offsetMs: number, all: Calls): Promise<Tally> {
  const counts = (): Counts => ({ calls: 0, failed: 0, slow: 0 })
  const tally: Tally = { library, GET: counts(), POST: counts(), errors: {}, tasks: {} }
  const call = async (method: 'GET' | 'POST'): Promise<void> => {
    const count = tally[method]
    const startedAt = performance.now()
    count.calls++
    all.begin()
    try {
      const { task } = await Promise.race([api.send({ method }), timeout(MAX_CALL_MS)])
      tally.tasks[task] = (tally.tasks[task] ?? 0) + 1
      all.answeredBy(task)
      if (performance.now() - startedAt > order.delayMs + SLOW_MS) count.slow++
    } catch (error) {
      count.failed++
      const name = `${method} ${nameOf(error)}`
      tally.errors[name] = (tally.errors[name] ?? 0) + 1
    } finally {
      all.end()
    }
  }
  const calls = new Set<Promise<void>>()
  const beganAt = performance.now() + offsetMs
  for (let number = 0; !ending.signal.aborted; number++) {
    const waitMs = beganAt + number * order.everyMs - performance.now()
    await delay(Math.max(0, waitMs))
    if (calls.size >= (order.maxInFlight ?? Number.POSITIVE_INFINITY)) continue
    const made = call(number % 2 === 0 ? 'GET' : 'POST').finally(() => calls.delete(made))
    calls.add(made)
  }
  await Promise.all(calls)
  return tally
}

async function timeout(ms: number): Promise<never> {
  await delay(ms, undefined, { ref: false })
  throw new Error(`no answer in ${ms} ms`)
}

/** The innermost code: libraries wrap what they get. */
function nameOf(error: unknown): string {
  let name = String(error)
  for (let at = error; at instanceof Error;) {
    const { code, cause, networkError } = at as Error & { code?: unknown; networkError?: unknown }
    if (typeof code === 'string') name = code
    at = networkError ?? cause
  }
  return name
}

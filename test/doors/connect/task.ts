/** A task of the service Orders, by Connect's own server: a process that is forked by `tasks.ts`. */
import { setTimeout as delay } from 'node:timers/promises'
import type { RequestListener } from 'node:http'
import type { AddressInfo, Server } from 'node:net'
import type { Order } from './connect.ts'
import { load, loadOrders } from './packages/load.ts'

/** How it is spoken to. */
export type TaskWorld = 'h2c' | 'h2' | 'http'
/** What it does with each call instead of answering: fail with a code of gRPC, or wait for so long before it answers. */
export interface TaskFault {
  readonly code?: number
  readonly delayMs?: number
  /** `grpc-retry-pushback-ms` */
  readonly pushback?: string
}
/** What it has seen. */
export interface TaskStats {
  readonly calls: readonly string[]
  /** Streams whose caller left before their end. */
  readonly cancelled: number
  /** Orders that streams have made. */
  readonly made: number
  readonly methods: readonly string[]
  /** Ever made to it. */
  readonly connections: number
}

interface Context {
  readonly signal: AbortSignal
  readonly requestHeader: Headers
  readonly responseTrailer: Headers
  readonly requestMethod: string
  timeoutMs(): number | undefined
}

const [world = 'h2c', address = '127.0.1.1', port = '0', key = '', cert = ''] = process.argv.slice(2)
const { connectNodeAdapter } = await load<{
  connectNodeAdapter: (options: object) => RequestListener
}>('@connectrpc/connect-node')
const { ConnectError } = await load<{
  ConnectError: new (message: string, code: number, metadata?: Record<string, string>) => Error
}>('@connectrpc/connect')
const { Orders } = await loadOrders<{ Orders: object }>()

const calls: string[] = []
const methods: string[] = []
let cancelled = 0
let made = 0
let connections = 0
let fault: TaskFault = {}

async function begin(name: string, context: Context): Promise<void> {
  calls.push(name)
  methods.push(context.requestMethod)
  context.signal.addEventListener('abort', () => {
    if (context.signal.reason instanceof Error && context.signal.reason.name !== 'done') cancelled++
  })
  const { code, delayMs = 0, pushback } = fault
  if (delayMs > 0) await delay(delayMs)
  context.responseTrailer.set('x-task', address)
  if (code === undefined) return
  const metadata = pushback === undefined ? {} : { 'grpc-retry-pushback-ms': pushback }
  throw new ConnectError('as the test wants it', code, metadata)
}

const implementation = {
  async get({ id }: Order, context: Context) {
    await begin('get', context)
    return { id, task: address, payload: Buffer.from(String(context.timeoutMs() ?? '')) }
  },
  async place({ id, payload }: Order, context: Context) {
    await begin('place', context)
    return { id, task: address, payload }
  },
  async sum(orders: AsyncIterable<Order>, context: Context) {
    await begin('sum', context)
    let sum = 0
    for await (const { id } of orders) sum += id
    return { id: sum, task: address }
  },
  async *list({ count, size, everyMs }: { count: number; size: number; everyMs: number }, context: Context) {
    await begin('list', context)
    for (let id = 0; id < count && !context.signal.aborted; id++) {
      if (everyMs > 0) await delay(everyMs)
      made++
      yield { id, task: address, payload: new Uint8Array(size) }
    }
  },
  async *echo(orders: AsyncIterable<Order>, context: Context) {
    await begin('echo', context)
    for await (const { id, payload } of orders) {
      made++
      yield { id, task: address, payload }
    }
  },
}

const handler = connectNodeAdapter({
  routes: (router: { service(service: object, implementation: object): void }) =>
    router.service(Orders, implementation),
})

async function serverOf(): Promise<Server> {
  if (world === 'http') return (await import('node:http')).createServer(handler)
  const { createServer, createSecureServer } = await import('node:http2')
  return world === 'h2' ? createSecureServer({ key, cert }, handler as never) : createServer(handler as never)
}

const server = await serverOf()
server.on('connection', () => connections++)
await new Promise<void>((resolve) => server.listen(Number(port), address, resolve))
process.on('message', (message: TaskFault | 'stats') => {
  if (message === 'stats')
    process.send?.({ calls, cancelled, made, methods, connections } satisfies TaskStats)
  else {
    fault = message
    process.send?.('set')
  }
})
process.on('disconnect', () => process.exit(0))
process.send?.((server.address() as AddressInfo).port)

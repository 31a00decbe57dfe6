/**
 * A task of `shop.Orders` in a process of its own: `node task.ts <address> <port>`, steered by messages of its parent.
 * With `CERT` and `KEY` (PEM) it speaks TLS.
 */
import { grpc, Orders, type Order, type ServerCall } from './load.ts'

/** What a task does to each call from now on. */
export interface Behaviour {
  /** How long it takes, in ms. */
  readonly delayMs?: number
  /** Whether it answers only once it is to behave otherwise. */
  readonly holds?: boolean
  /** The gRPC status with which it fails; undefined: it does not. */
  readonly code?: number
  /** Sends its headers, and fails then. */
  readonly late?: boolean
}

export interface Stats {
  readonly calls: number
  /** `:authority` of the last call. */
  readonly host: string
  /** That wait because it holds them. */
  readonly held: number
  /** `grpc-previous-rpc-attempts` that it has seen. */
  readonly retries: number
}

const [, , address = '127.0.0.1', port = '0'] = process.argv
let behaviour: Behaviour = {}
const held: (() => void)[] = []
let calls = 0
let retries = 0
let host = ''

function taken(call: ServerCall): void {
  calls++
  host = call.getHost()
  if (call.metadata.get('grpc-previous-rpc-attempts').length > 0) retries++
}

function orderOf(id: string): Order {
  return { id, task: `${address}:${port}`, count: calls }
}

function later(run: () => void): void {
  const { delayMs = 0, holds = false } = behaviour
  if (holds) held.push(run)
  else if (delayMs > 0) setTimeout(run, delayMs)
  else run()
}

function failure(): { code: number; details: string } | undefined {
  const { code } = behaviour
  return code === undefined ? undefined : { code, details: `as it was asked to: ${code}` }
}

type Answer = (error: object | null, order?: Order) => void

const handlers = {
  Get(call: ServerCall, answer: Answer) {
    taken(call)
    later(() => {
      const failed = failure()
      if (failed === undefined) answer(null, orderOf(call.request.id))
      else answer(failed)
    })
  },
  Watch(call: ServerCall) {
    taken(call)
    const failed = failure()
    if (failed !== undefined && behaviour.late !== true) {
      call.emit('error', failed)
      return
    }
    call.sendMetadata(new grpc.Metadata())
    if (failed !== undefined) {
      later(() => call.emit('error', failed))
      return
    }
    if (call.request.id === 'open') return
    for (let state = 0; state < 3; state++) call.write(orderOf(call.request.id))
    later(() => call.end())
  },
  Add(call: ServerCall, answer: Answer) {
    taken(call)
    let last = ''
    call.on('data', ({ id }: { id: string }) => {
      last = id
    })
    call.on('end', () => later(() => answer(null, orderOf(last))))
  },
  Ask(call: ServerCall) {
    taken(call)
    call.on('data', ({ id }: { id: string }) => later(() => call.write(orderOf(id))))
    call.on('end', () => later(() => call.end()))
  },
}

const server = new grpc.Server()
server.addService(Orders.service, handlers)
const { CERT, KEY } = process.env
const credentials =
  CERT === undefined || KEY === undefined
    ? grpc.ServerCredentials.createInsecure()
    : grpc.ServerCredentials.createSsl(null, [
        { cert_chain: Buffer.from(CERT), private_key: Buffer.from(KEY) },
      ])
server.bindAsync(`${address}:${port}`, credentials, (error) => {
  process.send?.(error === null ? 'ready' : { error: error.message })
})
// Its parent has ended.
process.on('disconnect', () => process.exit())
process.on('message', (message: { behave?: Behaviour; stats?: true; shutdown?: true }) => {
  if (message.behave !== undefined) {
    behaviour = message.behave
    if (behaviour.holds !== true) for (const run of held.splice(0)) run()
  }
  if (message.shutdown === true) server.tryShutdown(() => process.send?.('down'))
  else if (message.stats === true) process.send?.({ calls, host, held: held.length, retries } satisfies Stats)
  else process.send?.('done')
})

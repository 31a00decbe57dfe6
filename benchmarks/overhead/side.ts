/**
 * One side of the comparison, in a process of its own: V8 compiles undici for the handlers and the options that it sees,
 * and a process has one kind of client. Each message asks for one slice.
 */
import { createClient, staticResolver } from 'onehop'
import { Pool } from 'undici'
import { ADDRESSES } from './tasks.ts'

/** How a side finds the task for a request. */
export type Kind = 'onehop' | 'in turn' | 'at random'

/** A slice to measure. */
export interface Load {
  readonly inFlight: number
  readonly requestsPerSlice: number
}

/** What a slice took, in µs per request. */
export interface Cost {
  /** User and system time of all threads of the process, so garbage collection counts. */
  readonly cpu: number
  readonly wall: number
}

/** One request, to the last byte of its response. */
type Send = () => Promise<void>

const HOST = 'orders.shop.local'

if (import.meta.main) {
  const [kind, port] = process.argv.slice(2) as [Kind, string]
  const send = sendOf(kind, Number(port))
  process.on('message', (load: Load) => void measure(send, load).then((cost) => process.send?.(cost)))
  process.on('disconnect', () => process.exit())
  process.send?.('ready')
}

async function measure(send: Send, { inFlight, requestsPerSlice }: Load): Promise<Cost> {
  let left = requestsPerSlice
  const worker = async (): Promise<void> => {
    while (left-- > 0) await send()
  }
  const startedAt = performance.now()
  const before = process.cpuUsage()
  await Promise.all(Array.from({ length: inFlight }, worker))
  const { user, system } = process.cpuUsage(before)
  const wallMs = performance.now() - startedAt
  return { cpu: (user + system) / requestsPerSlice, wall: (wallMs * 1000) / requestsPerSlice }
}

function sendOf(kind: Kind, port: number): Send {
  if (kind === 'onehop') {
    const discovery = staticResolver({ [HOST]: ADDRESSES })
    const client = createClient({ services: { [HOST]: { port } }, discovery })
    return sendBy(client.dispatcher, `http://${HOST}`)
  }
  const sends = ADDRESSES.map((address) => sendBy(new Pool(`http://${address}:${port}`)))
  let turn = 0
  return () => {
    const index = kind === 'in turn' ? turn++ % sends.length : Math.floor(Math.random() * sends.length)
    return (sends[index] as Send)()
  }
}

function sendBy(dispatcher: Pick<Pool, 'request'>, origin?: string): Send {
  const options = {
    path: '/v1/orders/42',
    method: 'GET' as const,
    ...(origin === undefined ? {} : { origin }),
  }
  return async () => {
    const { statusCode, body } = await dispatcher.request(options)
    if (statusCode !== 200) throw new Error(`status ${statusCode}`)
    await body.dump()
  }
}

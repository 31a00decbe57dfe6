/** A port in front of a DNS server that hands datagrams through, and keeps what they asked and were told. */
import { createSocket } from 'node:dgram'
import { decode } from 'dns-packet'

export interface Exchange {
  readonly name: string
  readonly type: string
  readonly rcode: string
  /** The smallest of the answer's, or else the authority section's; undefined for a message without records. */
  readonly ttlSeconds: number | undefined
  /** When the query came in, and before its answer went out, on `performance.now()`. */
  readonly askedAt: number
  readonly answeredAt: number
}

export interface Relay extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly server: string
  readonly port: number
  /** Those that were answered, in the order of the answers. */
  readonly exchanges: readonly Exchange[]
}

/** UDP only: what does not fit into a datagram gets no further. */
export async function startRelay(behind: { readonly port: number }): Promise<Relay> {
  const exchanges: Exchange[] = []
  const front = createSocket('udp4')
  const open = new Set([front])
  front.on('message', (query, from) => {
    const askedAt = performance.now()
    // A socket each, as clients do it: an answer is to the query that its socket sent.
    const back = createSocket('udp4')
    open.add(back)
    const close = (): void => {
      if (open.delete(back)) back.close()
    }
    back.on('error', close)
    back.on('message', (answer) => {
      exchanges.push({ ...read(answer), askedAt, answeredAt: performance.now() })
      front.send(answer, from.port, from.address)
      close()
    })
    back.connect(behind.port, '127.0.0.1', () => {
      if (open.has(back)) back.send(query)
    })
  })
  await new Promise<void>((resolve, reject) => {
    front.once('error', reject)
    front.bind(0, '127.0.0.1', resolve)
  })
  const { port } = front.address()
  return {
    server: `127.0.0.1:${port}`,
    port,
    exchanges,
    async [Symbol.asyncDispose]() {
      await Promise.all(
        [...open].map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
      )
      open.clear()
    },
  }
}

function read(answer: Buffer): Pick<Exchange, 'name' | 'type' | 'rcode' | 'ttlSeconds'> {
  const { questions = [], answers = [], authorities = [], ...rest } = decode(answer)
  const [question] = questions
  const ttls = (answers.length > 0 ? answers : authorities).map((record) =>
    'ttl' in record ? (record.ttl ?? 0) : 0,
  )
  return {
    name: question?.name.toLowerCase() ?? '',
    type: question?.type ?? '',
    rcode: (rest as { rcode?: string }).rcode ?? '',
    ttlSeconds: ttls.length > 0 ? Math.min(...ttls) : undefined,
  }
}

/** Libraries with one connection for each client, each as its users open it. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { inTurn, type Driver } from './driver.ts'
import { load } from './packages/load.ts'
import { startProgram, startRedis } from './servers.ts'

export const CONNECTIONS: Readonly<Record<string, Driver>> = {
  ioredis: {
    servers: startRedis,
    takesSocket: true,
    async open({ socket }, size) {
      interface Redis {
        on(event: 'error', listener: () => void): void
        config(...words: string[]): Promise<string[]>
        disconnect(): void
      }
      const { Redis, AbstractConnector } = await load<{
        Redis: new (options: object) => Redis
        AbstractConnector: new (disconnectTimeout: number) => { stream: Socket }
      }>('ioredis')
      class Connector extends AbstractConnector {
        constructor() {
          super(2_000)
        }
        async connect(): Promise<Socket> {
          this.stream = socket()
          return this.stream
        }
      }
      const clients = Array.from({ length: size }, () => new Redis({ Connector, retryStrategy: () => 20 }))
      for (const client of clients) client.on('error', () => undefined)
      return inTurn(
        clients,
        async (client) => (await client.config('GET', 'bind'))[1] ?? '',
        async (client) => client.disconnect(),
      )
    },
  },
  redis: {
    servers: startRedis,
    takesSocket: false,
    async open({ host, port, lookup }, size) {
      interface Redis {
        on(event: 'error', listener: () => void): void
        connect(): Promise<unknown>
        configGet(name: string): Promise<{ bind: string }>
        destroy(): void
      }
      const { createClient } = await load<{ createClient(options: object): Redis }>('redis')
      const clients = Array.from({ length: size }, () =>
        createClient({
          socket: { host, port, lookup, reconnectStrategy: () => 20 },
          // For them the driver resolves the name by itself.
          maintNotifications: 'disabled',
        }),
      )
      for (const client of clients) client.on('error', () => undefined)
      await Promise.all(clients.map((client) => client.connect()))
      return inTurn(
        clients,
        async (client) => (await client.configGet('bind')).bind,
        async (client) => client.destroy(),
      )
    },
  },
  ws: {
    servers: startProgram('ws-server.ts'),
    takesSocket: true,
    async open({ host, port, socket }, size) {
      interface Ws extends NodeJS.EventEmitter {
        readonly readyState: number
        send(text: string): void
        close(): void
      }
      const { WebSocket } = await load<{ WebSocket: new (url: string, options: object) => Ws }>('ws')
      const open = async (): Promise<Ws> => {
        const opened = new WebSocket(`ws://${host}:${port}/`, { createConnection: socket })
        await once(opened, 'open')
        opened.on('error', () => undefined)
        return opened
      }
      const sockets = await Promise.all(Array.from({ length: size }, open))
      return inTurn(
        sockets,
        async (current) => {
          const index = sockets.indexOf(current)
          const OPEN = 1
          if (current.readyState !== OPEN) sockets[index] = await open()
          const used = sockets[index] as Ws
          used.send('who are you')
          return await answerOf(used)
        },
        async (current) => current.close(),
      )
    },
  },
}

/** Rejects if the connection closes instead. */
async function answerOf(socket: NodeJS.EventEmitter): Promise<string> {
  const over = new AbortController()
  try {
    const closed = once(socket, 'close', over).then(() => {
      throw new Error('the server has closed the connection')
    })
    const [data] = (await Promise.race([once(socket, 'message', over), closed])) as [Buffer]
    return String(data)
  } finally {
    over.abort()
  }
}

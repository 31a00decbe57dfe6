/** Drivers of databases and other libraries on sockets, each as its users open it: with this door, or without. */
import { once } from 'node:events'
import net, { type LookupFunction, type Socket } from 'node:net'
import type { Client } from 'onehop'
import { connect, lookupOf } from 'onehop/net'
import { load } from './packages/load.ts'
import { startMariaDb, startPostgres, startProgram, startRedis, type StartServers } from './servers.ts'

/** How a driver gets its connections. */
export interface Way {
  readonly host: string
  readonly port: number
  /** A socket to one of the servers. */
  readonly socket: () => Socket
  readonly lookup: LookupFunction
}

export function throughOnehop(client: Client, host: string, port: number): Way {
  // The port of `socket` is the one that discovery knows.
  return { host, port, socket: () => connect(client, { host }), lookup: lookupOf(client) }
}

export function withoutOnehop(lookup: LookupFunction, host: string, port: number): Way {
  const socket = (): Socket => {
    const connecting = net.connect({ host, port, lookup })
    // pg connects the socket that it gets, by the resolver of this machine.
    return Object.assign(connecting, { connect: () => connecting })
  }
  return { host, port, socket, lookup }
}

/** Connections that a driver keeps. */
export interface Pool {
  /** The address of the server that answers. */
  ask(): Promise<string>
  close(): Promise<void>
}

export interface Driver {
  readonly servers: StartServers
  /** Whether it takes a socket; otherwise it takes a `lookup`, which learns nothing. */
  readonly takesSocket: boolean
  /** @param size connections at most */
  open(way: Way, size: number): Promise<Pool>
}

export const DRIVERS: Readonly<Record<string, Driver>> = {
  pg: {
    servers: startPostgres,
    takesSocket: true,
    async open({ host, socket }, max) {
      interface PgPool {
        on(event: 'error', listener: () => void): void
        query(sql: string): Promise<{ rows: { from: string }[] }>
        end(): Promise<void>
      }
      const { Pool } = (await load<{ default: { Pool: new (options: object) => PgPool } }>('pg')).default
      const pool = new Pool({ host, user: 'postgres', database: 'postgres', max, stream: socket })
      // Of idle connections; the pool removes them.
      pool.on('error', () => undefined)
      const sql = 'select host(inet_server_addr()) as from, pg_sleep(0.02)'
      return {
        ask: async () => (await pool.query(sql)).rows[0]?.from ?? '',
        close: () => pool.end(),
      }
    },
  },
  mysql2: {
    servers: startMariaDb,
    takesSocket: true,
    async open({ socket }, connectionLimit) {
      interface MysqlPool {
        query(sql: string): Promise<[{ from: string }[]]>
        end(): Promise<void>
      }
      const { createPool } = await load<{ createPool(options: object): MysqlPool }>('mysql2/promise')
      const pool = createPool({ user: 'root', connectionLimit, stream: socket })
      return {
        ask: async () => (await pool.query('select @@bind_address as `from`, sleep(0.02)'))[0][0]?.from ?? '',
        close: () => pool.end(),
      }
    },
  },
  ioredis: {
    servers: startRedis,
    takesSocket: true,
    async open({ socket }, size) {
      interface Redis {
        on(event: 'error', listener: () => void): void
        config(...words: string[]): Promise<string[]>
        disconnect(): void
      }
      const { Redis } = await load<{ Redis: new (options: object) => Redis }>('ioredis')
      class Connector {
        #stream: Socket | undefined
        check(): boolean {
          return true
        }
        async connect(): Promise<Socket> {
          return (this.#stream = socket())
        }
        disconnect(): void {
          this.#stream?.end()
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
  mongodb: {
    servers: startProgram('mongo-server.ts'),
    takesSocket: false,
    async open({ host, port, lookup }, maxPoolSize) {
      interface Mongo {
        db(name: string): { command(command: object): Promise<{ from: string }> }
        close(): Promise<void>
      }
      const { MongoClient } = await load<{ MongoClient: new (url: string, options: object) => Mongo }>(
        'mongodb',
      )
      const url = `mongodb://${host}:${port}/?directConnection=true`
      const client = new MongoClient(url, { lookup, maxPoolSize, serverSelectionTimeoutMS: 5_000 })
      return {
        ask: async () => (await client.db('shop').command({ ping: 1 })).from,
        close: () => client.close(),
      }
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

/** Clients of one connection each, asked in turn. */
function inTurn<One>(
  clients: One[],
  ask: (client: One) => Promise<string>,
  close: (client: One) => Promise<void>,
): Pool {
  let turn = 0
  return {
    ask: () => ask(clients[turn++ % clients.length] as One),
    close: async () => void (await Promise.all(clients.map(close))),
  }
}

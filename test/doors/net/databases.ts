/** Drivers with pools of their own, each as its users open it. */
import type { Driver } from './driver.ts'
import { load } from './packages/load.ts'
import { startMariaDb, startPostgres, startProgram } from './servers.ts'

export const DATABASES: Readonly<Record<string, Driver>> = {
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
  mongodb: {
    servers: startProgram('mongo-server.ts'),
    takesSocket: false,
    async open({ host, port, lookup, waitMs }, maxPoolSize) {
      interface Mongo {
        db(name: string): { command(command: object): Promise<{ from: string }> }
        close(): Promise<void>
      }
      const { MongoClient } = await load<{ MongoClient: new (url: string, options: object) => Mongo }>(
        'mongodb',
      )
      const url = `mongodb://${host}:${port}/?directConnection=true`
      const client = new MongoClient(url, { lookup, maxPoolSize, serverSelectionTimeoutMS: waitMs })
      return {
        ask: async () => (await client.db('shop').command({ ping: 1 })).from,
        close: () => client.close(),
      }
    },
  },
}

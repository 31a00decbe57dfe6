/** What the examples use of the drivers, which are installed only for the tests that run them (test/doors/net/packages). */
declare module 'pg' {
  import type { Socket } from 'node:net'
  class Pool {
    constructor(options: { user?: string; database?: string; max?: number; stream?: () => Socket })
    on(event: 'error', listener: (error: Error) => void): this
    query(sql: string): Promise<{ rows: unknown[] }>
    end(): Promise<void>
  }
  const pg: { Pool: typeof Pool }
  export default pg
}

declare module 'mysql2/promise' {
  import type { Socket } from 'node:net'
  export function createPool(options: { user?: string; connectionLimit?: number; stream?: () => Socket }): {
    query(sql: string): Promise<[unknown[]]>
    end(): Promise<void>
  }
}

declare module 'ioredis' {
  import type { Socket } from 'node:net'
  export abstract class AbstractConnector {
    protected stream: Socket
    constructor(disconnectTimeout: number)
    abstract connect(): Promise<Socket>
  }
  export class Redis {
    constructor(options: { Connector?: new () => AbstractConnector })
    on(event: 'error', listener: (error: Error) => void): this
    set(key: string, value: string): Promise<string>
    get(key: string): Promise<string | null>
    quit(): Promise<string>
  }
}

declare module 'redis' {
  import type { LookupFunction } from 'node:net'
  export function createClient(options: {
    socket: { host: string; port: number; lookup: LookupFunction }
    maintNotifications?: 'auto' | 'disabled'
  }): {
    on(event: 'error', listener: (error: Error) => void): void
    connect(): Promise<unknown>
    set(key: string, value: string): Promise<string | null>
    get(key: string): Promise<string | null>
    close(): Promise<void>
  }
}

declare module 'mongodb' {
  import type { LookupFunction } from 'node:net'
  export class MongoClient {
    constructor(url: string, options: { lookup: LookupFunction })
    db(name: string): { command(command: object): Promise<object> }
    close(): Promise<void>
  }
}

declare module 'ws' {
  import type { EventEmitter } from 'node:events'
  import type { Socket } from 'node:net'
  export class WebSocket extends EventEmitter {
    constructor(url: string, options: { createConnection: () => Socket })
    send(text: string): void
    close(): void
  }
}

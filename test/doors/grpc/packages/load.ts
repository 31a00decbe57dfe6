/** grpc-js and its loader of .proto files. They are installed only for these tests, so that types know none of them. */
import type { EventEmitter } from 'node:events'
import type { Duplex, Readable, Writable } from 'node:stream'

export interface Order {
  readonly id: string
  readonly task: string
  readonly count: number
}

export interface ServiceError extends Error {
  readonly code: number
  readonly details: string
}

export interface CallMetadata {
  set(key: string, value: string): void
  get(key: string): unknown[]
  getMap(): Record<string, unknown>
}

type Callback = (error: ServiceError | null, order: Order) => void
export interface ClientCall extends EventEmitter {
  cancel(): void
  getPeer(): string
}

/** A client of `shop.Orders`. */
export interface OrdersClient {
  Get(request: { id: string }, callback: Callback): ClientCall
  Get(request: { id: string }, options: object, callback: Callback): ClientCall
  Get(request: { id: string }, metadata: CallMetadata, options: object, callback: Callback): ClientCall
  Watch(request: { id: string }, options?: object): Readable & ClientCall
  Add(callback: Callback): Writable & ClientCall
  Ask(options?: object): Duplex & ClientCall
  waitForReady(deadline: number | Date, callback: (error?: Error) => void): void
  getChannel(): { getConnectivityState(tryToConnect: boolean): number; getTarget(): string }
  close(): void
}

export interface ServerCall extends EventEmitter {
  readonly request: { readonly id: string }
  readonly metadata: CallMetadata
  getPath(): string
  getHost(): string
  getDeadline(): number | Date
  sendMetadata(metadata: CallMetadata): void
  write(order: Order): boolean
  end(): void
}

export interface Server {
  addService(definition: object, handlers: object): void
  bindAsync(
    address: string,
    credentials: unknown,
    callback: (error: Error | null, port: number) => void,
  ): void
  tryShutdown(callback: (error?: Error) => void): void
  forceShutdown(): void
  drain(port: string, graceTimeMs: number): void
}

type Interceptor = (options: object, nextCall: (options: object) => object) => object

export interface Grpc {
  readonly credentials: {
    createInsecure(): object
    createSsl(roots: Buffer): object & { compose(other: object): object }
    createFromMetadataGenerator(
      generate: (
        parameters: object,
        callback: (error: Error | null, metadata?: CallMetadata) => void,
      ) => void,
    ): object
    combineChannelCredentials(channel: object, ...calls: object[]): object
  }
  readonly ServerCredentials: {
    createInsecure(): unknown
    createSsl(roots: null, pairs: { private_key: Buffer; cert_chain: Buffer }[]): unknown
  }
  readonly status: Readonly<Record<string, number>>
  readonly Metadata: new (options?: object) => CallMetadata
  readonly Server: new (options?: object) => Server
  readonly InterceptingCall: new (call: object, requester: object) => object
  readonly experimental: object
  loadPackageDefinition(definition: object): { readonly shop: { readonly Orders: OrdersClass } }
}

interface OrdersClass {
  new (target: string, credentials: object, options?: object): OrdersClient
  readonly service: object
}

export type { Interceptor }

const { default: module } = (await import('@grpc/grpc-js')) as { default: Grpc }
const LOADER = '@grpc/proto-loader'
const { loadSync } = (await import(LOADER)) as {
  loadSync(file: string, options: object): object
}

const PROTO = new URL('../../../../examples/grpc/orders.proto', import.meta.url).pathname
const { shop } = module.loadPackageDefinition(loadSync(PROTO, { keepCase: true, defaults: true }))

export const grpc: Grpc = module
export const Orders: OrdersClass = shop.Orders

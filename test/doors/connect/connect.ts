/** What the tests use of Connect, with types of their own: it is installed only for the tests of doors. */
import type { LookupFunction } from 'node:net'
import type { Dispatcher } from 'undici'
import { transportOptions } from 'onehop/connect'
import { load, loadOrders } from './packages/load.ts'

export interface Order {
  readonly id: number
  readonly task: string
  readonly payload: Uint8Array
}
type Init<Message> = { readonly [Key in keyof Message]?: Message[Key] }

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly timeoutMs?: number
  readonly headers?: Record<string, string>
  readonly onHeader?: (headers: Headers) => void
  readonly onTrailer?: (trailers: Headers) => void
}

/** A client of the service Orders. */
export interface Orders {
  get(request: { readonly id: number }, options?: CallOptions): Promise<Order>
  place(request: Init<Order>, options?: CallOptions): Promise<Order>
  sum(request: AsyncIterable<Init<Order>>, options?: CallOptions): Promise<Order>
  list(
    request: { readonly count: number; readonly size?: number; readonly everyMs?: number },
    options?: CallOptions,
  ): AsyncIterable<Order>
  echo(request: AsyncIterable<Init<Order>>, options?: CallOptions): AsyncIterable<Order>
}

type Compression = object
interface ConnectModule {
  createClient(service: object, transport: object): Orders
  readonly ConnectError: abstract new (...given: never[]) => Error & { readonly code: number }
}

export type Protocol = 'grpc' | 'grpc-web' | 'connect'

export const connect: ConnectModule = await load<ConnectModule>('@connectrpc/connect')
const node: { readonly compressionGzip: Compression } = await load('@connectrpc/connect-node')
export const compressionGzip: Compression = node.compressionGzip
const generated: { readonly Orders: object } = await loadOrders()
export const service: object = generated.Orders

export interface TransportSettings {
  readonly baseUrl: string
  readonly dispatcher: Dispatcher
  /** Options of Connect that replace ours. */
  readonly more?: object
}

/** A client over this door. */
export async function ordersOver(
  protocol: Protocol,
  { baseUrl, dispatcher, more = {} }: TransportSettings,
): Promise<Orders> {
  const { createTransport } = await load<{ createTransport: (options: object) => object }>(
    `@connectrpc/connect/protocol-${protocol}`,
  )
  return connect.createClient(service, createTransport({ ...transportOptions(dispatcher), baseUrl, ...more }))
}

/** A client over Connect's own transport: the control. */
export async function ordersWithout(baseUrl: string, lookup: LookupFunction): Promise<Orders> {
  const { createGrpcTransport } = await load<{ createGrpcTransport: (options: object) => object }>(
    '@connectrpc/connect-node',
  )
  return connect.createClient(service, createGrpcTransport({ baseUrl, nodeOptions: { lookup } }))
}

/** Reads a stream to its end. @returns how many items came */
export async function countRest(stream: AsyncIterator<unknown>): Promise<number> {
  let count = 0
  while ((await stream.next()).done !== true) count++
  return count
}

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

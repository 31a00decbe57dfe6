/**
 * What would be routed, by Node's and undici's diagnostics channels: nothing is replaced, and no call is touched.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientRequest } from 'node:http'
import { emit } from '../core/events.ts'
import type { Client, Lease } from '../index.ts'
import { isNodesOwn, type AnyAgent } from './agents.ts'
import type { DiscoveredHosts } from './discovered-hosts.ts'

/** As undici publishes it, of whatever version. */
interface UndiciRequest {
  readonly origin: string | URL
  readonly method: string
}

/** A request has no agent where it makes its connection by itself. */
type RequestOfAgent = ClientRequest & { readonly agent?: AnyAgent }

/** Observes the built-in `fetch` and undici, also where a dispatcher of their own is used. */
export function observeUndici(client: Client, hosts: DiscoveredHosts): Disposable {
  return listen('undici:request:create', (message) => {
    const { origin, method } = (message as { request: UndiciRequest }).request
    if (hosts.hasOrigin(origin)) pick(client, String(origin), method, 'fetch')
  })
}

/** Observes `node:http` and `node:https`, with agents that would be routed. */
export function observeAgents(client: Client, hosts: DiscoveredHosts): Disposable {
  return listen('http.client.request.created', (message) => {
    const { request } = message as { request: RequestOfAgent }
    if (!hosts.has(request.host) || request.agent === undefined || !isNodesOwn(request.agent)) return
    const authority = request.getHeader('host') ?? request.host
    const origin = `${request.protocol}//${String(authority)}`
    if (hosts.hasOrigin(origin)) pick(client, origin, request.method, 'http')
  })
}

/** Picks as a call would, and ends that at once: it says nothing about the task. */
function pick(client: Client, origin: string, method: string, by: 'fetch' | 'http'): void {
  const { hostname: host } = new URL(origin)
  const picked = (lease: Lease): void => {
    const upstream = `${lease.endpoint.address}:${lease.port}`
    lease.end()
    emit('onehop:call.observed', () => ({ host, method, by, upstream, error: undefined }))
  }
  const failed = (error: Error): void =>
    emit('onehop:call.observed', () => ({ host, method, by, upstream: undefined, error }))
  try {
    const lease = client.acquire(origin, { method })
    if (lease instanceof Promise) lease.then(picked, failed)
    else picked(lease)
  } catch (error) {
    failed(error as Error)
  }
}

function listen(channel: string, listener: (message: unknown) => void): Disposable {
  subscribe(channel, listener)
  return { [Symbol.dispose]: () => void unsubscribe(channel, listener) }
}

/** The port of a service: a number, or what a server listens on. */
import type { AddressInfo } from 'node:net'
import { abortable } from '../../../core/async/abortable.ts'
import { checkPort } from '../../../core/check/check.ts'
import { InvalidOptionsError } from '../../../core/errors.ts'

/** What `register` uses of a server of `node:net`, `http`, `https`, `http2` or `tls`; Fastify has one in `.server`. */
export interface ListeningServer {
  /** Whether it accepts connections. */
  readonly listening: boolean
  /** Address and port, once it listens. */
  address(): AddressInfo | string | null
  /** `listening` is emitted once it listens. */
  once(event: 'listening', listener: () => void): unknown
  /** Takes a listener away. */
  off(event: 'listening', listener: () => void): unknown
}

/** Where a server accepts connections. */
export interface ListeningAt {
  readonly port: number
  /** Address it is bound to; undefined where only a port was given. */
  readonly boundTo: string | undefined
}

const ALLOWED = 'a port from 1 to 65535, or a server (net, http, https, http2); without it PORT must be set'

/** @throws InvalidOptionsError */
export function listenerOf(path: string, value: unknown): ListeningServer | number {
  if (typeof value === 'number') return checkPort(path, value)
  if (typeof value !== 'object' || value === null) throw new InvalidOptionsError(path, value, ALLOWED)
  const { address, once, off } = value as Record<string, unknown>
  if (![address, once, off].every((method) => typeof method === 'function') || !('listening' in value))
    throw new InvalidOptionsError(path, value, ALLOWED)
  return value as ListeningServer
}

/**
 * Waits until the server listens.
 * @throws the signal's reason; an Error for a server that listens on a path and not on a port
 */
export async function whenListening(
  listener: ListeningServer | number,
  signal: AbortSignal,
): Promise<ListeningAt> {
  if (typeof listener === 'number') return { port: listener, boundTo: undefined }
  if (!listener.listening) {
    const { promise, resolve } = Promise.withResolvers<void>()
    listener.once('listening', resolve)
    await abortable(promise, signal).finally(() => listener.off('listening', resolve))
  }
  const address = listener.address()
  if (address === null || typeof address === 'string')
    throw new Error(`the server listens on ${address ?? 'nothing'}, and not on a port`)
  return { port: address.port, boundTo: address.address }
}

/** Whether an address is only reached from its own host. */
export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}

import type { ConnectionOptions } from 'node:tls'
import { InvalidOptionsError, type Client } from '../index.ts'

/** What this door uses of a client. */
export type NetClient = Pick<Client, 'acquire' | 'discovers' | 'inspect'>

/** What `connect` takes. */
export interface ConnectOptions {
  /** The name of the service, e.g. `db.shop.local`. */
  readonly host: string
  /** Of the tasks [the option `port` of the service, else the one that discovery knows]. */
  readonly port?: number | undefined
  /**
   * TLS from the first byte, with options of `tls.connect`; the name of the certificate is `host` unless `servername` says
   * otherwise [false]. Drivers of databases do TLS themselves, over a plain socket.
   */
  readonly tls?: boolean | ConnectionOptions | undefined
  /** After how long without a connection another task is tried, in ms [250, at most `timeouts.connectMs`]. */
  readonly nextAfterMs?: number | undefined
  /** How long all of it may take, discovery and every task, in ms [no limit]. */
  readonly withinMs?: number | undefined
  /** Idle for so long, the kernel probes the connection, in ms; 0: never [30,000]. */
  readonly keepAliveMs?: number | undefined
  /** Without Nagle's algorithm [true]. */
  readonly noDelay?: boolean | undefined
  /** Where a keyed balancer places the connection. */
  readonly key?: string | undefined
  /** Destroys the socket, while it connects and later. */
  readonly signal?: AbortSignal | undefined
}

const KEYS = 'host port tls nextAfterMs withinMs keepAliveMs noDelay key signal'.split(' ')

const MAX_MS = 86_400_000

/** @throws InvalidOptionsError for the first that is unknown or not allowed */
export function checkConnectOptions(given: ConnectOptions): ConnectOptions {
  if (typeof given !== 'object' || given === null)
    throw new InvalidOptionsError('connect', given, `an object of ${KEYS.join(', ')}`)
  for (const key of Object.keys(given))
    if (!KEYS.includes(key)) throw new InvalidOptionsError('connect', key, KEYS.join(', '))
  const { host, port, tls, noDelay, key, signal } = given
  if (typeof host !== 'string' || host === '')
    throw new InvalidOptionsError('connect.host', host, 'a host name, e.g. db.shop.local')
  if (port !== undefined) checkWhole('connect.port', port, 1, 65_535, 'an integer from 1 to 65535')
  if (tls !== undefined && typeof tls !== 'boolean' && (typeof tls !== 'object' || tls === null))
    throw new InvalidOptionsError('connect.tls', tls, 'true, false, or options of tls.connect')
  checkMs('connect.nextAfterMs', given.nextAfterMs, 1)
  checkMs('connect.withinMs', given.withinMs, 1)
  checkMs('connect.keepAliveMs', given.keepAliveMs, 0)
  if (noDelay !== undefined && typeof noDelay !== 'boolean')
    throw new InvalidOptionsError('connect.noDelay', noDelay, 'true or false')
  if (key !== undefined && (typeof key !== 'string' || key === ''))
    throw new InvalidOptionsError('connect.key', key, 'a non-empty string')
  if (signal !== undefined && typeof signal?.throwIfAborted !== 'function')
    throw new InvalidOptionsError('connect.signal', signal, 'an AbortSignal')
  return given
}

/** @throws InvalidOptionsError */
export function checkClient(client: NetClient): NetClient {
  if (typeof client?.acquire !== 'function' || typeof client.discovers !== 'function')
    throw new InvalidOptionsError('client', client, 'a client, as createClient returns it')
  return client
}

function checkMs(option: string, ms: number | undefined, min: number): void {
  if (ms !== undefined) checkWhole(option, ms, min, MAX_MS, `a number of ms from ${min} to ${MAX_MS}`)
}

function checkWhole(option: string, value: unknown, min: number, max: number, allowed: string): void {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max)
    throw new InvalidOptionsError(option, value, allowed)
}

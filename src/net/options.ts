import type { ConnectionOptions } from 'node:tls'
import { checkBoolean, checkKeys, checkPort, checkString, given, msFrom } from '../core/check/check.ts'
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

const KEYS = ['host', 'port', 'tls', 'nextAfterMs', 'withinMs', 'keepAliveMs', 'noDelay', 'key', 'signal']

/** @throws InvalidOptionsError for the first that is unknown or not allowed */
export function checkConnectOptions(options: ConnectOptions): void {
  checkKeys('connect', options, KEYS)
  const { host, port, tls, signal } = options
  checkString('connect.host', host, 'a host name, e.g. db.shop.local')
  given('connect.port', port, undefined, checkPort)
  if (tls !== undefined && typeof tls !== 'boolean' && (typeof tls !== 'object' || tls === null))
    throw new InvalidOptionsError('connect.tls', tls, 'true, false, or options of tls.connect')
  given('connect.nextAfterMs', options.nextAfterMs, undefined, msFrom(1))
  given('connect.withinMs', options.withinMs, undefined, msFrom(1))
  given('connect.keepAliveMs', options.keepAliveMs, undefined, msFrom(0))
  given('connect.noDelay', options.noDelay, undefined, checkBoolean)
  given('connect.key', options.key, undefined, checkString)
  if (signal !== undefined && typeof signal?.throwIfAborted !== 'function')
    throw new InvalidOptionsError('connect.signal', signal, 'an AbortSignal')
}

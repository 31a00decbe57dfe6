import { isIP } from 'node:net'
import type { Endpoint } from '../index.ts'
import { Connection, type ConnectionOwner } from './connection.ts'
import { STATE, type ChannelControlHelper, type ChannelOptions, type State } from './grpc-js.ts'

/** grpc-js waits up to 2 minutes between two tries to connect. The cluster probes every 30 s at least. */
const MAX_BACKOFF_MS = 30_000

/** The connections of one channel: one for each task that a pick came to. */
export class Connections {
  /** The channel's, for new connections. */
  options: ChannelOptions = {}
  readonly #owner: ConnectionOwner
  readonly #helper: ChannelControlHelper
  readonly #byLabel = new Map<string, Connection>()
  /** Those that the pick of now has asked for in vain. */
  readonly #wanted = new Set<Connection>()

  constructor(owner: ConnectionOwner, helper: ChannelControlHelper) {
    this.#owner = owner
    this.#helper = helper
  }

  /** The one to an endpoint; it need not be connected. */
  to(endpoint: Endpoint, port: number): Connection {
    const label = labelOf(endpoint, port)
    const known = this.#byLabel.get(label)
    if (known !== undefined) return known
    const address = { host: endpoint.address, port }
    const subchannel = this.#helper.createSubchannel(address, this.#optionsOf(endpoint))
    const connection = new Connection(this.#owner, endpoint, port, label, subchannel)
    this.#helper.addChannelzChild(subchannel.getChannelzRef())
    this.#byLabel.set(label, connection)
    return connection
  }

  /** Whether a call can go to an endpoint now. If not, it is wanted. */
  isReady(endpoint: Endpoint, port: number): boolean {
    const connection = this.to(endpoint, port)
    if (!connection.isReady) this.#wanted.add(connection)
    return connection.isReady
  }

  /** Connects those that are wanted. */
  connectWanted(): 'none wanted' | 'connecting' | 'refused' {
    if (this.#wanted.size === 0) return 'none wanted'
    let isConnecting = false
    for (const connection of this.#wanted) if (connection.connect()) isConnecting = true
    this.#wanted.clear()
    return isConnecting ? 'connecting' : 'refused'
  }

  /** Closes those to tasks that have left. */
  keep(endpoints: readonly Endpoint[]): void {
    const isKept = ({ endpoint }: Connection): boolean =>
      endpoint.tier === 1 ||
      endpoints.some(({ address, port }) => address === endpoint.address && port === endpoint.port)
    for (const connection of this.#byLabel.values()) if (!isKept(connection)) this.#close(connection)
  }

  close(): void {
    for (const connection of this.#byLabel.values()) this.#close(connection)
  }

  /** As gRPC puts the states of several connections together. */
  get state(): State {
    if (this.#has('isReady')) return STATE.READY
    if (this.#has('isConnecting')) return STATE.CONNECTING
    return this.#has('hasFailed') ? STATE.TRANSIENT_FAILURE : STATE.IDLE
  }

  /** Why those failed that are not connected: `10.0.11.42:50051: connect ECONNREFUSED`; empty: none has. */
  describeErrors(): string {
    return [...this.#byLabel.values()]
      .flatMap(({ label, error }) => (error === undefined ? [] : [`${label}: ${error.message}`]))
      .join(', ')
  }

  #close(connection: Connection): void {
    this.#byLabel.delete(connection.label)
    this.#wanted.delete(connection)
    this.#helper.removeChannelzChild(connection.subchannel.getChannelzRef())
    connection.close()
  }

  #has(what: 'isReady' | 'isConnecting' | 'hasFailed'): boolean {
    for (const connection of this.#byLabel.values()) if (connection[what]) return true
    return false
  }

  #optionsOf({ origin }: Endpoint): ChannelOptions {
    const options = { 'grpc.max_reconnect_backoff_ms': MAX_BACKOFF_MS, ...this.options }
    const name = origin === undefined ? '' : new URL(origin).hostname.replace(/^\[|\]$/g, '')
    // A load balancer has a certificate of its own.
    return name === '' || isIP(name) > 0 ? options : { ...options, 'grpc.ssl_target_name_override': name }
  }
}

/** `10.0.11.42:50051` */
export function labelOf({ address }: Endpoint, port: number): string {
  return `${address}:${port}`
}

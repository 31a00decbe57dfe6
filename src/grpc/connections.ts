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
  /** By address and port: a pick makes no text of them. */
  readonly #byAddress = new Map<string, Map<number, Connection>>()
  /** Those that the pick of now has asked for in vain. */
  readonly #wanted = new Set<Connection>()

  constructor(owner: ConnectionOwner, helper: ChannelControlHelper) {
    this.#owner = owner
    this.#helper = helper
  }

  /** The one to an endpoint; it need not be connected. */
  to(endpoint: Endpoint, port: number): Connection {
    return this.#byAddress.get(endpoint.address)?.get(port) ?? this.#add(endpoint, port)
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
    for (const connection of this.#all) if (!isKept(connection)) this.#close(connection)
  }

  close(): void {
    for (const connection of this.#all) this.#close(connection)
  }

  /** As gRPC puts the states of several connections together. */
  get state(): State {
    const all = this.#all
    if (all.some(({ isReady }) => isReady)) return STATE.READY
    if (all.some(({ isConnecting }) => isConnecting)) return STATE.CONNECTING
    return all.some(({ hasFailed }) => hasFailed) ? STATE.TRANSIENT_FAILURE : STATE.IDLE
  }

  /** Why those failed that are not connected: `10.0.11.42:50051: connect ECONNREFUSED`; empty: none has. */
  describeErrors(): string {
    return this.#all
      .flatMap(({ endpoint, port, error }) =>
        error === undefined ? [] : [`${endpoint.address}:${port}: ${error.message}`],
      )
      .join(', ')
  }

  get #all(): readonly Connection[] {
    return [...this.#byAddress.values()].flatMap((byPort) => [...byPort.values()])
  }

  #add(endpoint: Endpoint, port: number): Connection {
    const { address } = endpoint
    const subchannel = this.#helper.createSubchannel({ host: address, port }, this.#optionsOf(endpoint))
    const connection = new Connection(this.#owner, endpoint, port, subchannel)
    this.#helper.addChannelzChild(subchannel.getChannelzRef())
    const byPort = this.#byAddress.get(address) ?? new Map<number, Connection>()
    this.#byAddress.set(address, byPort.set(port, connection))
    return connection
  }

  #close(connection: Connection): void {
    const { address } = connection.endpoint
    const byPort = this.#byAddress.get(address)
    byPort?.delete(connection.port)
    if (byPort?.size === 0) this.#byAddress.delete(address)
    this.#wanted.delete(connection)
    this.#helper.removeChannelzChild(connection.subchannel.getChannelzRef())
    connection.close()
  }

  #optionsOf({ origin }: Endpoint): ChannelOptions {
    const options = { 'grpc.max_reconnect_backoff_ms': MAX_BACKOFF_MS, ...this.options }
    const name = origin === undefined ? '' : new URL(origin).hostname.replace(/^\[|\]$/g, '')
    // A load balancer has a certificate of its own.
    return name === '' || isIP(name) > 0 ? options : { ...options, 'grpc.ssl_target_name_override': name }
  }
}

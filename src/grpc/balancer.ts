import { isIP } from 'node:net'
import {
  OverloadedError,
  ClosedError,
  OnehopError,
  type Endpoint,
  type KeyedRequest,
  type Lease,
} from '../index.ts'
import { Attempt } from './attempt.ts'
import { Call } from './call.ts'
import { Connection, type ConnectionOwner } from './connection.ts'
import {
  PICK,
  STATE,
  STATUS,
  type ChannelControlHelper,
  type ChannelOptions,
  type GrpcJs,
  type LoadBalancer,
  type LoadBalancingConfig,
  type PickArgs,
  type Picker,
  type PickResult,
  type State,
  type StatusOr,
} from './grpc-js.ts'
import { Unsent } from './unsent.ts'
import type { ServiceAttribute } from './resolver.ts'

/** grpc-js waits up to 2 minutes between two tries to connect. The cluster probes every 30 s at least. */
const MAX_BACKOFF_MS = 30_000

/** How long until a connection that nothing wants yet is asked for again, while there is no other. */
const ASK_AGAIN_MS = 1_000

/**
 * The load-balancing policy of one channel. The client's cluster picks the task of each call (`client.acquire`), among those
 * to which the channel is connected. The channel connects to each task that a pick comes to.
 */
export class Balancer implements LoadBalancer, Picker, ConnectionOwner {
  readonly #name: string
  readonly #attribute: string
  readonly #grpc: GrpcJs
  readonly #helper: ChannelControlHelper
  readonly #connections = new Map<string, Connection>()
  readonly #unsent = new Unsent()
  /** Connections that the pick of now has asked for in vain. */
  readonly #wanted = new Set<Connection>()
  readonly #isReady = (endpoint: Endpoint, port: number): boolean => this.#accepts(endpoint, port)
  #service: ServiceAttribute | undefined = undefined
  #options: ChannelOptions = {}
  /** Whether discovery has not answered yet. */
  #isWaiting = false
  #asksAgain = false
  #hasChanged = false
  #isDestroyed = false

  /** @param attribute of the resolver, among the channel's options */
  constructor(name: string, attribute: string, grpc: GrpcJs, helper: ChannelControlHelper) {
    this.#name = name
    this.#attribute = attribute
    this.#grpc = grpc
    this.#helper = helper
  }

  // What grpc-js calls.

  updateAddressList(
    _endpoints: StatusOr<unknown>,
    _config: LoadBalancingConfig,
    options: ChannelOptions,
  ): boolean {
    this.#service = options[this.#attribute] as ServiceAttribute | undefined
    this.#options = options
    // Before discovery has answered there are no calls yet: the first one asks for it.
    if (this.#service?.endpoints !== undefined) {
      this.#closeDeparted(this.#service.endpoints)
      this.#connectAll()
    }
    this.#update()
    // What discovery does not know may still have a fallback: the picks find out.
    return true
  }

  exitIdle(): void {
    if (this.#state() === STATE.IDLE) this.#connectAll()
  }

  resetBackoff(): void {
    // The subchannels' own.
  }

  destroy(): void {
    this.#isDestroyed = true
    for (const connection of this.#connections.values()) this.#close(connection)
    this.#unsent.close()
  }

  getTypeName(): string {
    return this.#name
  }

  pick({ metadata, extraPickInfo }: PickArgs): PickResult {
    const call = Call.of(extraPickInfo)
    const request: KeyedRequest = {
      method: 'POST',
      path: '',
      header: (name) => metadata.get(name)[0]?.toString(),
    }
    try {
      const lease = this.#acquire(request, call.tried)
      this.#connectWanted()
      if (lease instanceof Promise) return this.#queueUntil(lease)
      return this.#complete(lease, call)
    } catch (error) {
      return this.#connectWanted() ? QUEUE : this.#failed(error as Error)
    }
  }

  // What connections call.

  leaseOf({ endpoint, port }: Connection): Lease | undefined {
    const service = this.#service
    if (service === undefined || this.#isDestroyed) return undefined
    try {
      const lease = service.client.acquire(service.target.origin, {
        method: 'POST',
        // Connecting does no harm: it need not wait for a call that can be repeated, as other probes do.
        idempotent: true,
        accepts: (other, otherPort) => other.address === endpoint.address && otherPort === port,
      })
      if (!(lease instanceof Promise)) return lease
      this.#endLater(lease)
    } catch {
      // It is ejected, and no probe of it is due; or too many calls are under way.
    }
    return undefined
  }

  /** Later in this turn others may be ready, too: the calls that wait must not all go to the first. */
  changed(): void {
    if (this.#hasChanged) return
    this.#hasChanged = true
    setImmediate(() => {
      this.#hasChanged = false
      if (!this.#isDestroyed) this.#update()
    })
  }

  // The pick.

  /** @param tried tasks to avoid, if there are others */
  #acquire(request: KeyedRequest, tried: readonly string[]): Lease | Promise<Lease> {
    const service = this.#service
    if (service === undefined)
      throw new Error(`the policy ${this.#name} needs a target of registerCloudMap, as cloudmap:///<host>`)
    const { client, target } = service
    if (tried.length > 0) {
      const isOther = (endpoint: Endpoint, port: number): boolean =>
        !tried.includes(labelOf(endpoint, port)) && this.#accepts(endpoint, port)
      try {
        return client.acquire(target.origin, { request, accepts: isOther })
      } catch {
        // There are no others.
      }
    }
    return client.acquire(target.origin, { request, accepts: this.#isReady })
  }

  #accepts(endpoint: Endpoint, port: number): boolean {
    const connection = this.#connectionOf(endpoint, port)
    if (connection.isReady) return true
    this.#wanted.add(connection)
    return false
  }

  #complete(lease: Lease, call: Call): PickResult {
    const label = labelOf(lease.endpoint, lease.port)
    call.tried.push(label)
    const { subchannel } = this.#connectionOf(lease.endpoint, lease.port)
    const attempt = new Attempt(lease, call, subchannel)
    this.#unsent.add(attempt)
    return {
      pickResultType: PICK.COMPLETE,
      subchannel: attempt.connection(),
      status: null,
      onCallStarted: () => {
        attempt.started()
        this.#unsent.delete(attempt)
      },
      onCallEnded: (code, details, metadata) => attempt.ended(code, details, metadata),
    }
  }

  /** The service is not known yet. All calls that wait pick again then. */
  #queueUntil(lease: Promise<Lease>): PickResult {
    this.#endLater(lease)
    return QUEUE
  }

  /** grpc-js keeps the calls, so that the lease itself is of no use. */
  #endLater(lease: Promise<Lease>): void {
    const over = (acquired?: Lease): void => {
      acquired?.end()
      this.#isWaiting = false
      this.changed()
    }
    this.#isWaiting = true
    lease.then(over, () => over())
  }

  #failed(error: Error): PickResult {
    const metadata = new this.#grpc.Metadata()
    if (!(error instanceof OnehopError) && this.#service !== undefined) {
      // A balancer of the user's, or its `keyOf`.
      const status = { code: STATUS.INTERNAL, details: error.message, metadata }
      return { ...NOTHING, pickResultType: PICK.DROP, status }
    }
    const status = { code: STATUS.UNAVAILABLE, details: this.#reasonOf(error), metadata }
    // As the circuit breakers of gRPC (A32): no retry, and no wait for another state.
    const isFinal = error instanceof OverloadedError || error instanceof ClosedError
    return { ...NOTHING, pickResultType: isFinal ? PICK.DROP : PICK.TRANSIENT_FAILURE, status }
  }

  #reasonOf({ message }: Error): string {
    const reasons = [...this.#connections.values()].flatMap(({ label, error }) =>
      error === undefined ? [] : [`${label}: ${error.message}`],
    )
    return reasons.length === 0 ? message : `${message}; no connection to ${reasons.join(', ')}`
  }

  // Connections.

  #connectionOf(endpoint: Endpoint, port: number): Connection {
    const label = labelOf(endpoint, port)
    const known = this.#connections.get(label)
    if (known !== undefined) return known
    const address = { host: endpoint.address, port }
    const subchannel = this.#helper.createSubchannel(address, this.#optionsOf(endpoint))
    const connection = new Connection(this, endpoint, port, label, subchannel)
    this.#helper.addChannelzChild(subchannel.getChannelzRef())
    this.#connections.set(label, connection)
    return connection
  }

  #optionsOf({ origin }: Endpoint): ChannelOptions {
    const options = { 'grpc.max_reconnect_backoff_ms': MAX_BACKOFF_MS, ...this.#options }
    const name = origin === undefined ? '' : new URL(origin).hostname.replace(/^\[|\]$/g, '')
    // A load balancer has a certificate of its own.
    return name === '' || isIP(name) > 0 ? options : { ...options, 'grpc.ssl_target_name_override': name }
  }

  /** Has the cluster pick, so that each task it would pick gets a connection before there are calls. */
  #connectAll(): void {
    const service = this.#service
    if (service === undefined) return
    try {
      const accepts = (endpoint: Endpoint, port: number): boolean => {
        this.#accepts(endpoint, port)
        return false
      }
      const lease = service.client.acquire(service.target.origin, { method: 'POST', accepts })
      if (lease instanceof Promise) this.#endLater(lease)
    } catch {
      // None was accepted.
    }
    this.#connectWanted()
  }

  /** @returns whether a call may wait for one of them */
  #connectWanted(): boolean {
    let isConnecting = this.#isWaiting
    for (const connection of this.#wanted) if (connection.connect()) isConnecting = true
    const isRefused = this.#wanted.size > 0 && !isConnecting
    this.#wanted.clear()
    if (isRefused) this.#askAgain()
    return isConnecting
  }

  /** Calls that wait until there is a connection (`waitForReady`) would wait for other calls to ask for it. */
  #askAgain(): void {
    if (this.#asksAgain || this.#isDestroyed || this.#has('isReady')) return
    this.#asksAgain = true
    AbortSignal.timeout(ASK_AGAIN_MS).addEventListener('abort', () => {
      this.#asksAgain = false
      this.changed()
    })
  }

  #closeDeparted(endpoints: readonly Endpoint[]): void {
    const isKept = ({ endpoint }: Connection): boolean =>
      endpoint.tier === 1 ||
      endpoints.some(({ address, port }) => address === endpoint.address && port === endpoint.port)
    for (const connection of this.#connections.values()) if (!isKept(connection)) this.#close(connection)
  }

  #close(connection: Connection): void {
    this.#connections.delete(connection.label)
    this.#wanted.delete(connection)
    this.#helper.removeChannelzChild(connection.subchannel.getChannelzRef())
    connection.close()
  }

  // The channel's state.

  #update(): void {
    const state = this.#state()
    const error = state === STATE.TRANSIENT_FAILURE ? this.#reasonOf(new Error('no connection')) : null
    this.#helper.updateState(state, this, error)
  }

  #state(): State {
    if (this.#service === undefined) return STATE.TRANSIENT_FAILURE
    if (this.#has('isReady')) return STATE.READY
    if (this.#isWaiting || this.#has('isConnecting')) return STATE.CONNECTING
    return this.#has('hasFailed') ? STATE.TRANSIENT_FAILURE : STATE.IDLE
  }

  #has(what: 'isReady' | 'isConnecting' | 'hasFailed'): boolean {
    for (const connection of this.#connections.values()) if (connection[what]) return true
    return false
  }
}

const NOTHING = { subchannel: null, status: null, onCallStarted: null, onCallEnded: null } as const
const QUEUE: PickResult = { ...NOTHING, pickResultType: PICK.QUEUE }

function labelOf({ address }: Endpoint, port: number): string {
  return `${address}:${port}`
}

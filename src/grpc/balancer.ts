import {
  ClosedError,
  InvalidOptionsError,
  OnehopError,
  OverloadedError,
  type Endpoint,
  type KeyedRequest,
  type Lease,
} from '../index.ts'
import { Attempt } from './attempt.ts'
import { Call } from './call.ts'
import type { Connection, ConnectionOwner } from './connection.ts'
import { Connections, labelOf } from './connections.ts'
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
import type { ServiceAttribute } from './resolver.ts'
import { Unsent } from './unsent.ts'

/** How long until connections that the cluster has no use for are asked for again, while there are no others. */
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
  readonly #connections: Connections
  readonly #unsent = new Unsent()
  readonly #isReady = (endpoint: Endpoint, port: number): boolean => this.#connections.isReady(endpoint, port)
  #service: ServiceAttribute | undefined = undefined
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
    this.#connections = new Connections(this, helper)
  }

  // What grpc-js calls.

  updateAddressList(
    _endpoints: StatusOr<unknown>,
    _config: LoadBalancingConfig,
    options: ChannelOptions,
  ): boolean {
    const service = options[this.#attribute] as ServiceAttribute | undefined
    this.#service = service
    this.#connections.options = options
    // Before discovery has answered there are no calls yet: the first one asks for it.
    if (service?.endpoints !== undefined) {
      this.#connections.keep(service.endpoints)
      this.#connectAll()
    }
    this.#update()
    // What discovery does not know may still have a fallback: the picks find out.
    return true
  }

  exitIdle(): void {
    if (this.#state === STATE.IDLE) this.#connectAll()
  }

  resetBackoff(): void {
    // The subchannels' own.
  }

  destroy(): void {
    this.#isDestroyed = true
    this.#connections.close()
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
      if (!(lease instanceof Promise)) return this.#complete(lease, call)
      this.#updateAfter(lease)
      return QUEUE
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
      this.#updateAfter(lease)
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
    if (service === undefined) throw new Error(`the policy ${this.#name} needs ${TARGET}`)
    const { client, target } = service
    if (tried.length > 0) {
      const isOther = (endpoint: Endpoint, port: number): boolean =>
        !tried.includes(labelOf(endpoint, port)) && this.#isReady(endpoint, port)
      try {
        return client.acquire(target.origin, { request, accepts: isOther })
      } catch {
        // There are no others. Or there is another error, which follows.
      }
    }
    return client.acquire(target.origin, { request, accepts: this.#isReady })
  }

  #complete(lease: Lease, call: Call): PickResult {
    call.tried.push(labelOf(lease.endpoint, lease.port))
    const { subchannel } = this.#connections.to(lease.endpoint, lease.port)
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

  #failed(error: Error): PickResult {
    const metadata = new this.#grpc.Metadata()
    if (!(error instanceof OnehopError) && this.#service !== undefined) {
      // A balancer of the user's, or its `keyOf`.
      const status = { code: STATUS.INTERNAL, details: error.message, metadata }
      return { ...NOTHING, pickResultType: PICK.DROP, status }
    }
    const status = { code: STATUS.UNAVAILABLE, details: this.#describe(error.message), metadata }
    // As the circuit breakers of gRPC (A32): no retry, and no wait for another state.
    const isFinal = FINAL.some((kind) => error instanceof kind)
    return { ...NOTHING, pickResultType: isFinal ? PICK.DROP : PICK.TRANSIENT_FAILURE, status }
  }

  #describe(what: string): string {
    const errors = this.#connections.describeErrors()
    return errors === '' ? what : `${what}; no connection to ${errors}`
  }

  // Connections.

  /** Has the cluster pick, so that each task it would pick gets a connection before there are calls. */
  #connectAll(): void {
    const service = this.#service
    if (service === undefined) return
    const accepts = (endpoint: Endpoint, port: number): boolean => {
      this.#isReady(endpoint, port)
      return false
    }
    try {
      const lease = service.client.acquire(service.target.origin, { method: 'POST', accepts })
      if (lease instanceof Promise) this.#updateAfter(lease)
    } catch {
      // None was accepted.
    }
    this.#connectWanted()
  }

  /** @returns whether a call may wait for a connection */
  #connectWanted(): boolean {
    const result = this.#connections.connectWanted()
    if (result === 'refused') this.#askAgain()
    return this.#isWaiting || result === 'connecting'
  }

  /** Calls that wait until there is a connection (`waitForReady`) would wait for other calls to ask for it. */
  #askAgain(): void {
    if (this.#asksAgain || this.#isDestroyed || this.#state === STATE.READY) return
    this.#asksAgain = true
    AbortSignal.timeout(ASK_AGAIN_MS).addEventListener('abort', () => {
      this.#asksAgain = false
      this.changed()
    })
  }

  /** The service is not known yet. grpc-js keeps the calls that wait, so that the lease itself is of no use. */
  #updateAfter(lease: Promise<Lease>): void {
    const over = (acquired?: Lease): void => {
      acquired?.end()
      this.#isWaiting = false
      this.changed()
    }
    this.#isWaiting = true
    lease.then(over, () => over())
  }

  // The channel's state.

  #update(): void {
    const state = this.#state
    const error = state === STATE.TRANSIENT_FAILURE ? this.#describe('no task is connected') : null
    this.#helper.updateState(state, this, error)
  }

  get #state(): State {
    if (this.#service === undefined) return STATE.TRANSIENT_FAILURE
    const { state } = this.#connections
    return this.#isWaiting && state !== STATE.READY ? STATE.CONNECTING : state
  }
}

const TARGET = 'a target of registerCloudMap, as cloudmap:///<host>'
/** Errors of a call that waiting does not mend. */
const FINAL = [OverloadedError, ClosedError, InvalidOptionsError] as const
const NOTHING = { subchannel: null, status: null, onCallStarted: null, onCallEnded: null } as const
const QUEUE: PickResult = { ...NOTHING, pickResultType: PICK.QUEUE }

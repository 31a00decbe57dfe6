import { afterMs } from '../core/async/connect-limit.ts'
import { systemClock } from '../core/clock.ts'
import type { Endpoint, Lease } from '../index.ts'
import { CallPicker, type PickPolicy } from './call-picker.ts'
import type { Connection, ConnectionOwner } from './connection.ts'
import { Connections } from './connections.ts'
import {
  STATE,
  type ChannelControlHelper,
  type ChannelOptions,
  type GrpcJs,
  type LoadBalancer,
  type LoadBalancingConfig,
  type State,
  type StatusOr,
} from './grpc-js.ts'
import type { ServiceAttribute } from './resolver.ts'

/** How long until connections that the cluster has no use for are asked for again, if there are no others. */
const ASK_AGAIN_MS = 1_000

/**
 * The load-balancing policy of one channel. The client's cluster picks the task of each call (`client.acquire`), among those
 * to which the channel is connected. The channel connects to each task that a pick comes to.
 */
export class Balancer implements LoadBalancer, PickPolicy, ConnectionOwner {
  readonly name: string
  readonly connections: Connections
  service: ServiceAttribute | undefined = undefined
  readonly #attribute: string
  readonly #helper: ChannelControlHelper
  readonly #picker: CallPicker
  /** Whether discovery has not answered yet. */
  #isWaiting = false
  #asksAgain = false
  #hasChanged = false
  #isDestroyed = false

  /** @param attribute of the resolver, among the channel's options */
  constructor(name: string, attribute: string, grpc: GrpcJs, helper: ChannelControlHelper) {
    this.name = name
    this.connections = new Connections(this, helper)
    this.#attribute = attribute
    this.#helper = helper
    this.#picker = new CallPicker(this, grpc)
  }

  // What grpc-js calls.

  updateAddressList(
    _endpoints: StatusOr<unknown>,
    _config: LoadBalancingConfig,
    options: ChannelOptions,
  ): boolean {
    const service = options[this.#attribute] as ServiceAttribute | undefined
    this.service = service
    this.connections.options = options
    // Before discovery has answered there are no calls yet: the first one asks for it.
    if (service?.endpoints !== undefined) {
      this.connections.keep(service.endpoints)
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
    this.connections.close()
    this.#picker.close()
  }

  getTypeName(): string {
    return this.name
  }

  // What the picker and connections call.

  connectWanted(): boolean {
    const result = this.connections.connectWanted()
    if (result === 'refused') this.#askAgain()
    return this.#isWaiting || result === 'connecting'
  }

  updateAfter(lease: Promise<Lease>): void {
    const over = (acquired?: Lease): void => {
      acquired?.end()
      this.#isWaiting = false
      this.changed()
    }
    this.#isWaiting = true
    lease.then(over, () => over())
  }

  leaseOf({ endpoint, port }: Connection): Lease | undefined {
    if (this.#isDestroyed) return undefined
    // Connecting does no harm: it need not wait for a call that can be repeated, as other probes do.
    return this.#acquire(true, (other, otherPort) => other.address === endpoint.address && otherPort === port)
  }

  /** Later in this turn others may be ready, too: the calls that wait must not all go to the first. */
  changed(): void {
    if (this.#hasChanged) return
    this.#hasChanged = true
    systemClock.afterIo(() => {
      this.#hasChanged = false
      if (!this.#isDestroyed) this.#update()
    })
  }

  // Connections.

  /** Has the cluster pick, so that each task it would pick gets a connection before there are calls. */
  #connectAll(): void {
    this.#acquire(false, (endpoint, port) => {
      this.connections.isReady(endpoint, port)
      return false
    })
    this.connectWanted()
  }

  /** @returns undefined: there is none, or none yet */
  #acquire(idempotent: boolean, accepts: (endpoint: Endpoint, port: number) => boolean): Lease | undefined {
    if (this.service === undefined) return undefined
    const { client, target } = this.service
    try {
      const lease = client.acquire(target.origin, { method: 'POST', idempotent, accepts })
      if (!(lease instanceof Promise)) return lease
      this.updateAfter(lease)
    } catch {
      // None is accepted; or it is ejected, and no probe of it is due; or too many calls are under way.
    }
    return undefined
  }

  /** Calls that wait until there is a connection (`waitForReady`) would wait for other calls to ask for it. */
  #askAgain(): void {
    if (this.#asksAgain || this.#isDestroyed || this.#state === STATE.READY) return
    this.#asksAgain = true
    afterMs(ASK_AGAIN_MS, () => {
      this.#asksAgain = false
      this.changed()
    })
  }

  // The channel's state.

  #update(): void {
    const state = this.#state
    const error = state === STATE.TRANSIENT_FAILURE ? this.#picker.explain('no task is connected') : null
    this.#helper.updateState(state, this.#picker, error)
  }

  get #state(): State {
    if (this.service === undefined) return STATE.TRANSIENT_FAILURE
    const { state } = this.connections
    return this.#isWaiting && state !== STATE.READY ? STATE.CONNECTING : state
  }
}

import {
  ClosedError,
  InvalidOptionsError,
  OnehopError,
  OverloadedError,
  type Endpoint,
  type KeyedRequest,
  type Lease,
} from '../index.ts'
import { Attempt, Call } from './attempt.ts'
import type { Connections } from './connections.ts'
import { PICK, STATUS, type GrpcJs, type PickArgs, type Picker, type PickResult } from './grpc-js.ts'
import type { ServiceAttribute } from './resolver.ts'
import { Unsent } from './unsent.ts'

/** What a picker needs of the policy of its channel. */
export interface PickPolicy {
  /** As users write it in `loadBalancingConfig`. */
  readonly name: string
  /** undefined: the target is not this door's. */
  readonly service: ServiceAttribute | undefined
  readonly connections: Connections
  /**
   * Connects to the tasks that a pick came to.
   * @returns whether a call may wait for a connection
   */
  connectWanted(): boolean
  /** The service is not known yet. grpc-js keeps the calls that wait, so that the lease itself is of no use. */
  updateAfter(lease: Promise<Lease>): void
}

/** Errors of a call that waiting does not mend. */
const FINAL = [OverloadedError, ClosedError, InvalidOptionsError] as const
const NOTHING = { subchannel: null, status: null, onCallStarted: null, onCallEnded: null } as const
const QUEUE: PickResult = { ...NOTHING, pickResultType: PICK.QUEUE }

/** Picks the task of each call of a channel: one that is connected, and another one for each attempt of the call. */
export class CallPicker implements Picker {
  readonly #policy: PickPolicy
  readonly #grpc: GrpcJs
  readonly #unsent = new Unsent()
  readonly #isReady = (endpoint: Endpoint, port: number): boolean =>
    this.#policy.connections.isReady(endpoint, port)

  constructor(policy: PickPolicy, grpc: GrpcJs) {
    this.#policy = policy
    this.#grpc = grpc
  }

  pick({ metadata, extraPickInfo }: PickArgs): PickResult {
    const call = Call.of(extraPickInfo)
    const request: KeyedRequest = {
      method: 'POST',
      path: '',
      header: (name) => metadata.get(name)[0]?.toString(),
    }
    try {
      const lease = this.#acquire(request, call)
      this.#policy.connectWanted()
      if (!(lease instanceof Promise)) return this.#complete(lease, call)
      this.#policy.updateAfter(lease)
      return QUEUE
    } catch (error) {
      return this.#policy.connectWanted() ? QUEUE : this.#failed(error as Error)
    }
  }

  /** @returns also why connections failed */
  explain(what: string): string {
    const errors = this.#policy.connections.describeErrors()
    return errors === '' ? what : `${what}; no connection to ${errors}`
  }

  close(): void {
    this.#unsent.close()
  }

  #acquire(request: KeyedRequest, { tried }: Call): Lease | Promise<Lease> {
    const { name, service, connections } = this.#policy
    if (service === undefined)
      throw new Error(`the policy ${name} needs a target of registerCloudMap, as cloudmap:///<host>`)
    const { client, target } = service
    if (tried.length > 0) {
      const isOther = (endpoint: Endpoint, port: number): boolean =>
        !tried.includes(connections.to(endpoint, port)) && connections.isReady(endpoint, port)
      try {
        return client.acquire(target.origin, { request, accepts: isOther })
      } catch {
        // There are no others. Or there is another error, which follows.
      }
    }
    return client.acquire(target.origin, { request, accepts: this.#isReady })
  }

  #complete(lease: Lease, call: Call): PickResult {
    const connection = this.#policy.connections.to(lease.endpoint, lease.port)
    call.tried.push(connection)
    const attempt = new Attempt(lease, call, connection.subchannel)
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
    if (!(error instanceof OnehopError) && this.#policy.service !== undefined) {
      // A balancer of the user's, or its `keyOf`.
      const status = { code: STATUS.INTERNAL, details: error.message, metadata }
      return { ...NOTHING, pickResultType: PICK.DROP, status }
    }
    const status = { code: STATUS.UNAVAILABLE, details: this.explain(error.message), metadata }
    // As the circuit breakers of gRPC (A32): no retry, and no wait for another state.
    const isFinal = FINAL.some((kind) => error instanceof kind)
    return { ...NOTHING, pickResultType: isFinal ? PICK.DROP : PICK.TRANSIENT_FAILURE, status }
  }
}

import type { Client, Endpoint, Snapshot } from '../index.ts'
import {
  STATUS,
  type ChannelOptions,
  type GrpcEndpoint,
  type GrpcJs,
  type GrpcUri,
  type Resolver,
  type ResolverListener,
} from './grpc-js.ts'
import { ChannelServiceConfig, type ServiceConfigJson } from './service-config.ts'
import { parseTarget, type Target } from './target.ts'

/** What this door uses of a client. */
export type GrpcClient = Pick<Client, 'acquire' | 'discovers' | 'resolve' | 'watch'>

/** What the resolver passes to the policy, under a key that grpc-js keeps out of connections. */
export interface ServiceAttribute {
  readonly client: GrpcClient
  readonly target: Target
  /** With zones and weights, which grpc-js has no place for; undefined: not known yet. */
  readonly endpoints: readonly Endpoint[] | undefined
}

/** What was registered for a scheme. */
export interface Registration {
  readonly grpc: GrpcJs
  readonly client: GrpcClient
  /** Name of the policy. */
  readonly policy: string
  /** Key of the `ServiceAttribute`. */
  readonly attribute: string
  readonly serviceConfig: ServiceConfigJson
}

/** Where neither target nor discovery names a port, as gRPC's own resolver. */
const DEFAULT_PORT = 443

/**
 * The resolver of one channel. It passes each other set of endpoints, and the service config.
 *
 * For its own policy it answers before discovery does: the policy asks the client for each call, and lets calls wait. So a
 * call meets the policy in its caller's async context, and a fallback serves calls when discovery fails. For another policy
 * it answers when discovery does.
 */
export class CloudMapResolver implements Resolver {
  readonly #registration: Registration
  readonly #target: Target
  readonly #listener: ResolverListener
  readonly #config: ChannelServiceConfig
  #watch: Disposable | undefined = undefined
  /** Counts up when it is destroyed, so that what is under way then is not passed. */
  #life = 0
  #hasAnswered = false
  /** The watch has brought a set whose ports are not known yet. */
  #isHeldBack = false

  constructor(registration: Registration, uri: GrpcUri, listener: ResolverListener, options: ChannelOptions) {
    const { grpc, serviceConfig, policy } = registration
    this.#registration = registration
    this.#target = parseTarget(uri, grpc)
    this.#listener = listener
    this.#config = new ChannelServiceConfig(serviceConfig, options, policy, grpc)
    this.#answerEarly()
  }

  updateResolution(): void {
    this.#answerEarly()
    const { client } = this.#registration
    const { host } = this.#target
    if (!client.discovers(host)) {
      this.#passError(
        `${host} is not discovered: it is in none of the client's namespaces, and no key of its services`,
      )
      return
    }
    try {
      // It calls at once with what is known, and the resolver must not.
      this.#watch ??= client.watch(host, (snapshot) => {
        this.#isHeldBack = this.#mayGetPorts(snapshot)
        if (!this.#isHeldBack) this.#later(() => this.#pass(snapshot))
      })
    } catch (error) {
      this.#passError((error as Error).message)
      return
    }
    // Its own policy hears of failures from the client.
    if (this.#config.usesPolicy) return
    void this.#resolve(this.#life)
  }

  destroy(): void {
    this.#life++
    this.#hasAnswered = false
    this.#watch?.[Symbol.dispose]()
    this.#watch = undefined
  }

  #answerEarly(): void {
    if (!this.#config.usesPolicy || this.#hasAnswered) return
    this.#hasAnswered = true
    this.#later(() => this.#answer([], undefined))
  }

  /** Its own policy asks the client for each call, which waits by itself. */
  #mayGetPorts({ awaitsPorts }: Snapshot): boolean {
    return awaitsPorts === true && this.#target.port === undefined && !this.#config.usesPolicy
  }

  async #resolve(life: number): Promise<void> {
    try {
      const snapshot = await this.#registration.client.resolve(this.#target.host)
      // It has waited for the ports, and there are none.
      if (life === this.#life && this.#isHeldBack) this.#later(() => this.#pass(snapshot))
    } catch (error) {
      if (life === this.#life) this.#passError((error as Error).message)
    }
  }

  #pass({ endpoints, source }: Snapshot): void {
    const { host, port } = this.#target
    const addresses = endpoints.map((endpoint) => ({
      addresses: [{ host: endpoint.address, port: port ?? endpoint.port ?? DEFAULT_PORT }],
    }))
    const note = endpoints.length === 0 ? `${source} names no endpoints of ${host}` : ''
    this.#answer(addresses, endpoints, note)
  }

  #answer(addresses: GrpcEndpoint[], endpoints: readonly Endpoint[] | undefined, note = ''): void {
    const { client, attribute } = this.#registration
    const service: ServiceAttribute = { client, target: this.#target, endpoints }
    this.#listener(
      { ok: true, value: addresses },
      { [attribute]: service },
      { ok: true, value: this.#config.value },
      note,
    )
  }

  /** Its own policy gets the error from the client. */
  #passError(details: string): void {
    if (this.#config.usesPolicy) return
    this.#later(() => {
      const { grpc } = this.#registration
      const error = { code: STATUS.UNAVAILABLE, details, metadata: new grpc.Metadata() }
      this.#listener({ ok: false, error }, {}, { ok: true, value: this.#config.value }, details)
    })
  }

  #later(pass: () => void): void {
    const life = this.#life
    process.nextTick(() => {
      if (life === this.#life) pass()
    })
  }
}

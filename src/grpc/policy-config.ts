import type { LoadBalancingConfig } from './grpc-js.ts'

/** Two copies of onehop may share one grpc-js. */
const MARK: unique symbol = Symbol.for('onehop.grpc.policy')

/** grpc-js makes one for each policy of a service config. It has no settings: they are the client's. */
export class PolicyConfig implements LoadBalancingConfig {
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  get [MARK](): boolean {
    return true
  }

  getLoadBalancerName(): string {
    return this.#name
  }

  toJsonObject(): object {
    return { [this.#name]: {} }
  }
}

/** Whether the policy is this door's. */
export function isPolicyConfig(config: object): boolean {
  return MARK in config
}

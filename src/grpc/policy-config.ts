import type { LoadBalancingConfig } from './grpc-js.ts'

/** grpc-js makes one for each policy of a service config. It has no settings: they are the client's. */
export class PolicyConfig implements LoadBalancingConfig {
  /** Two copies of onehop may share one grpc-js: each knows the other's by this name. */
  readonly isOnehopPolicy: true = true
  readonly #name: string

  constructor(name: string) {
    this.#name = name
  }

  getLoadBalancerName(): string {
    return this.#name
  }

  toJsonObject(): object {
    return { [this.#name]: {} }
  }
}

/** Whether the policy is this door's. */
export function isPolicyConfig(config: LoadBalancingConfig): boolean {
  return (config as Partial<PolicyConfig>).isOnehopPolicy === true
}

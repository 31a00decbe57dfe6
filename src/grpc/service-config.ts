import { InvalidOptionsError } from '../index.ts'
import type { ChannelOptions, GrpcJs, ServiceConfig } from './grpc-js.ts'

/** gRPC's service config in JSON: https://github.com/grpc/grpc/blob/master/doc/service_config.md */
export interface ServiceConfigJson {
  /** The load-balancing policies to choose from [`[{ onehop: {} }]`]. */
  readonly loadBalancingConfig?: readonly object[] | undefined
  /** Timeouts, retries and hedging by service and method. */
  readonly methodConfig?: readonly object[] | undefined
  /** When retries stop. */
  readonly retryThrottling?: object | undefined
}

const OPTION = 'grpc.service_config'

/**
 * Has grpc-js check it, as it does for a channel.
 * @throws InvalidOptionsError with what grpc-js finds wrong
 */
export function checkServiceConfig(given: unknown, grpc: GrpcJs): ServiceConfigJson {
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new InvalidOptionsError('registerCloudMap.serviceConfig', given, 'an object, as in gRPC')
  try {
    // Nothing connects before the first call.
    new grpc.Channel('ipv4:127.0.0.1:1', grpc.credentials.createInsecure() as never, {
      [OPTION]: JSON.stringify(given),
    }).close()
  } catch (error) {
    throw new InvalidOptionsError('registerCloudMap.serviceConfig', given, (error as Error).message)
  }
  return given
}

/** The service config of one channel: the registered one, and over it the one of the channel's options. */
export class ChannelServiceConfig {
  readonly value: ServiceConfig
  /** Whether calls are balanced by this door's policy. */
  readonly usesPolicy: boolean

  /** @param options grpc-js has checked them */
  constructor(registered: ServiceConfigJson, options: ChannelOptions, policy: string, grpc: GrpcJs) {
    const json = options[OPTION]
    const own = typeof json === 'string' && json !== '' ? (JSON.parse(json) as ServiceConfigJson) : {}
    const merged = { ...registered, ...own }
    const policies = [own.loadBalancingConfig, registered.loadBalancingConfig].find(
      (configs) => configs !== undefined && configs.length > 0,
    )
    const { retryThrottling, methodConfig = [] } = merged
    this.value = {
      loadBalancingConfig: policies ?? [{ [policy]: {} }],
      methodConfig: methodConfig.map((config) => withDuration(config, grpc)),
      ...(retryThrottling === undefined ? {} : { retryThrottling }),
    }
    const isKnown = (config: object): boolean =>
      grpc.experimental.isLoadBalancerNameRegistered(Object.keys(config)[0] ?? '')
    const chosen = this.value.loadBalancingConfig.find(isKnown)
    this.usesPolicy = chosen !== undefined && policy in chosen
  }
}

/** A resolver passes what grpc-js has made of the JSON: `timeout: '1.5s'` is an object there. */
function withDuration(config: object, { experimental }: GrpcJs): object {
  const { timeout } = config as { timeout?: unknown }
  return typeof timeout === 'string' ? { ...config, timeout: experimental.parseDuration(timeout) } : config
}

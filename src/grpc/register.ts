import defaultGrpc from '@grpc/grpc-js'
import { checkClient } from '../core/check/functions.ts'
import { InvalidOptionsError } from '../index.ts'
import { Balancer } from './balancer.ts'
import type {
  ChannelControlHelper,
  ChannelOptions,
  GrpcJs,
  GrpcUri,
  LoadBalancingConfig,
  ResolverListener,
} from './grpc-js.ts'
import { CloudMapResolver, type GrpcClient, type Registration } from './resolver.ts'
import { checkServiceConfig, type ServiceConfigJson } from './service-config.ts'
import { parseTarget } from './target.ts'
import { checkGrpc } from './version.ts'

/** Names and defaults of a registration. */
export interface CloudMapOptions {
  /** Of the targets, `<scheme>:///orders.shop.local` [`cloudmap`]. */
  readonly scheme?: string | undefined
  /** Name of the load-balancing policy, for `loadBalancingConfig` [`onehop`]. */
  readonly policy?: string | undefined
  /**
   * gRPC's service config in JSON, for all channels of the scheme: retries, timeouts [none]. What a channel has in its option
   * `grpc.service_config` takes precedence, field by field.
   */
  readonly serviceConfig?: ServiceConfigJson | undefined
  /**
   * What `import * as grpc from '@grpc/grpc-js'` returns [the copy that Node finds from onehop]. Give it where the process has
   * several copies of grpc-js: a registration holds for one of them.
   */
  readonly grpc?: unknown
}

const OPTIONS = ['scheme', 'policy', 'serviceConfig', 'grpc']
/** gRPC's own. */
const RESERVED = ['dns', 'ipv4', 'ipv6', 'unix', 'unix-abstract', 'vsock', 'xds']

/**
 * Registers a resolver for targets `cloudmap:///orders.shop.local:50051` and a load-balancing policy `onehop` with grpc-js
 * 1.14. Channels that are made afterwards call the tasks that the client picks. Registered again, a scheme is the other
 * client's, for channels made from then on.
 * @throws InvalidOptionsError for another version of grpc-js, a client or an option that is not allowed
 */
export function registerCloudMap(client: GrpcClient, options: CloudMapOptions = {}): void {
  checkClient(client, ['acquire', 'discovers', 'resolve', 'watch'])
  checkOptions(options)
  const { scheme = 'cloudmap', policy = 'onehop', serviceConfig = {} } = options
  const grpc = checkGrpc(options.grpc ?? defaultGrpc)
  const { experimental } = grpc
  checkScheme(scheme)
  checkPolicy(policy, grpc)
  const registration: Registration = {
    grpc,
    client,
    policy,
    attribute: `${experimental.SUBCHANNEL_ARGS_EXCLUDE_KEY_PREFIX}.onehop`,
    serviceConfig: checkServiceConfig(serviceConfig, grpc),
  }
  registerPolicy(registration)
  experimental.registerResolver(scheme, resolverClass(registration))
}

function resolverClass(registration: Registration) {
  return class extends CloudMapResolver {
    constructor(target: GrpcUri, listener: ResolverListener, channelOptions: ChannelOptions) {
      super(registration, target, listener, channelOptions)
    }

    /** As the authority, and the name in TLS, calls have what the caller wrote. */
    static getDefaultAuthority(target: GrpcUri): string {
      parseTarget(target, registration.grpc)
      return target.path
    }
  }
}

function registerPolicy({ grpc, policy, attribute }: Registration): void {
  grpc.experimental.registerLoadBalancerType(
    policy,
    class extends Balancer {
      constructor(helper: ChannelControlHelper) {
        super(policy, attribute, grpc, helper)
      }
    },
    // grpc-js makes one for each policy of a service config. It has no settings: they are the client's.
    class implements LoadBalancingConfig {
      /** Two copies of onehop may share one grpc-js: each knows the other's policies by this name. */
      readonly isOnehopPolicy = true

      getLoadBalancerName(): string {
        return policy
      }

      toJsonObject(): object {
        return { [policy]: {} }
      }

      static createFromJson(): LoadBalancingConfig {
        return new this()
      }
    },
  )
}

function checkOptions(options: CloudMapOptions): void {
  if (typeof options !== 'object' || options === null)
    throw new InvalidOptionsError('registerCloudMap', options, `an object with ${OPTIONS.join(', ')}`)
  for (const name of Object.keys(options))
    if (!OPTIONS.includes(name))
      throw new InvalidOptionsError('registerCloudMap', name, `an object with ${OPTIONS.join(', ')}`)
}

function checkScheme(scheme: unknown): void {
  if (typeof scheme !== 'string' || !/^[a-z][a-z0-9+.-]*$/.test(scheme) || RESERVED.includes(scheme))
    throw new InvalidOptionsError(
      'registerCloudMap.scheme',
      scheme,
      `a scheme in lower case that is not gRPC's own (${RESERVED.join(', ')})`,
    )
}

function checkPolicy(policy: unknown, { experimental }: GrpcJs): void {
  const isOthers = (name: string): boolean =>
    experimental.isLoadBalancerNameRegistered(name) &&
    !('isOnehopPolicy' in experimental.parseLoadBalancingConfig({ [name]: {} }))
  if (typeof policy !== 'string' || !/^\w+$/.test(policy) || isOthers(policy))
    throw new InvalidOptionsError(
      'registerCloudMap.policy',
      policy,
      'a name of letters, digits and _, that no other policy has',
    )
}

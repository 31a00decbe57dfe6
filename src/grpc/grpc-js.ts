/**
 * What this door uses of grpc-js 1.14. Written down here, because the package is built without grpc-js, and users without gRPC
 * have no types of it. `test/doors/grpc/types.test.ts` compares with the real ones.
 */

/** Of `grpc.status`. */
export const STATUS = {
  CANCELLED: 1,
  DEADLINE_EXCEEDED: 4,
  INTERNAL: 13,
  UNAVAILABLE: 14,
} as const

/** Of `grpc.connectivityState`. */
export const STATE = { IDLE: 0, CONNECTING: 1, READY: 2, TRANSIENT_FAILURE: 3 } as const

/** One of `STATE`. */
export type State = number

/** Of `experimental.PickResultType`. */
export const PICK = { COMPLETE: 0, QUEUE: 1, TRANSIENT_FAILURE: 2, DROP: 3 } as const

export interface Metadata {
  /** All values of one key. */
  get(key: string): (string | Buffer)[]
}

export interface StatusObject {
  readonly code: number
  readonly details: string
  readonly metadata: Metadata
}

export type StatusOr<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly error: StatusObject }

export interface TcpAddress {
  readonly host: string
  readonly port: number
}

/** One task: its addresses, and nothing else. */
export interface GrpcEndpoint {
  readonly addresses: TcpAddress[]
}

/** Channel options, with the attributes of the resolver. */
export type ChannelOptions = Readonly<Record<string, unknown>>

export interface ServiceConfig {
  readonly loadBalancingConfig: readonly object[]
  readonly methodConfig: readonly object[]
  readonly retryThrottling?: object
}

/** What a call on a connection reports. */
export interface CallListener {
  onReceiveMetadata(metadata: Metadata): void
  onReceiveMessage(message: unknown): void
  /** `rstCode`: the HTTP/2 stream was reset, or its connection broke. */
  onReceiveStatus(status: StatusObject & { readonly rstCode?: number }): void
}

/** A call on a connection. */
export interface SubchannelCall {
  /** Ends it, unless it has ended. Its listener gets the status. */
  cancelWithStatus(status: number, details: string): void
}

/** A connection to one address: channels with equal options and credentials share it. */
export interface RealSubchannel {
  createCall(
    metadata: Metadata,
    host: string,
    method: string,
    listener: CallListener,
    callNumber?: number,
  ): SubchannelCall
}

export type StateListener = (
  subchannel: Subchannel,
  previous: State,
  state: State,
  keepaliveMs: number,
  error?: string,
) => void

/** A channel's view of a connection. */
export interface Subchannel {
  getConnectivityState(): State
  addConnectivityStateListener(listener: StateListener): void
  removeConnectivityStateListener(listener: StateListener): void
  /** Does nothing unless it is idle. */
  startConnecting(): void
  ref(): void
  unref(): void
  getChannelzRef(): unknown
  getRealSubchannel(): RealSubchannel
}

export interface PickArgs {
  readonly metadata: Metadata
  /** One object for all attempts of a call. */
  readonly extraPickInfo: object
}

export interface PickResult {
  readonly pickResultType: number
  readonly subchannel: Subchannel | null
  readonly status: StatusObject | null
  readonly onCallStarted: (() => void) | null
  readonly onCallEnded: ((code: number, details: string, metadata: Metadata) => void) | null
}

export interface Picker {
  pick(args: PickArgs): PickResult
}

export interface ChannelControlHelper {
  createSubchannel(address: TcpAddress, options: ChannelOptions): Subchannel
  updateState(state: State, picker: Picker, error: string | null): void
  addChannelzChild(ref: unknown): void
  removeChannelzChild(ref: unknown): void
}

export interface LoadBalancingConfig {
  getLoadBalancerName(): string
  toJsonObject(): object
}

export interface LoadBalancer {
  updateAddressList(
    endpoints: StatusOr<unknown>,
    config: LoadBalancingConfig,
    options: ChannelOptions,
    resolutionNote: string,
  ): boolean
  exitIdle(): void
  resetBackoff(): void
  destroy(): void
  getTypeName(): string
}

/** `cloudmap:///orders.shop.local:50051`: scheme, authority `''`, path `orders.shop.local:50051`. */
export interface GrpcUri {
  readonly scheme?: string
  readonly authority?: string
  readonly path: string
}

export type ResolverListener = (
  endpoints: StatusOr<GrpcEndpoint[]>,
  attributes: Record<string, unknown>,
  serviceConfig: StatusOr<ServiceConfig> | null,
  resolutionNote: string,
) => boolean

export interface Resolver {
  updateResolution(): void
  destroy(): void
}

export interface ResolverClass {
  new (target: GrpcUri, listener: ResolverListener, options: ChannelOptions): Resolver
  getDefaultAuthority(target: GrpcUri): string
}

/** `import * as grpc from '@grpc/grpc-js'`, or what `require` returns. */
export interface GrpcJs {
  readonly Metadata: new () => Metadata
  readonly Channel: new (target: string, credentials: never, options: object) => { close(): void }
  readonly credentials: { createInsecure(): unknown }
  readonly experimental: {
    readonly SUBCHANNEL_ARGS_EXCLUDE_KEY_PREFIX: string
    registerResolver(scheme: string, resolver: ResolverClass): void
    registerLoadBalancerType(
      name: string,
      balancer: new (helper: ChannelControlHelper) => LoadBalancer,
      config: { new (): LoadBalancingConfig; createFromJson(json: unknown): LoadBalancingConfig },
    ): void
    isLoadBalancerNameRegistered(name: string): boolean
    parseLoadBalancingConfig(json: Readonly<Record<string, object>>): LoadBalancingConfig
    splitHostPort(path: string): { readonly host: string; readonly port?: number } | null
    parseDuration(text: string): object | null
  }
}

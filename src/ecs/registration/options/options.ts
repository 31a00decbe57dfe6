import type { ServiceDiscoveryClientConfig } from '@aws-sdk/client-servicediscovery'
import type { Clock, Random } from '../../../core/clock.ts'
import type { CloudMapOptions } from '../../../discovery/cloud-map/options.ts'
import type { Environment } from '../../environment.ts'
import type { Task } from '../../metadata/task.ts'
import type { ListeningServer } from './listener.ts'
import type { KnownPlace, Place } from './place.ts'

/** One instance to register. Defaults in brackets. */
export interface RegisteredService {
  /**
   * Cloud Map service: id (`srv-…`) or ARN. A name such as `orders.shop.local` works too, but is searched for by
   * operations that Cloud Map throttles at some two calls a second.
   */
  readonly service: string
  /** Port that callers connect to, or the server that listens on it, now or soon [`PORT`]. */
  readonly port?: number | ListeningServer | undefined
  /** InstanceId [task id; `<id>-<port>` for a second instance in the same service; without an id `<address>-<port>`]. */
  readonly id?: string | undefined
  /** Further attributes, beside AVAILABILITY_ZONE, REGION, ECS_CLUSTER_NAME and ECS_TASK_DEFINITION_FAMILY [none]. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
  /** Share of the calls relative to other tasks, > 0 [1]. */
  readonly weight?: number | undefined
  /** Addresses to register [those that the service's records demand; without records IPv4 if there is one]. */
  readonly family?: 'ipv4' | 'ipv6' | 'dual' | undefined
}

/** How readiness is checked. Defaults in brackets. */
export interface ReadinessOptions {
  /** Between checks, in ms [5000; at most 500 until the process has been ready once]. */
  readonly everyMs?: number | undefined
  /** For one check, in ms; time in which this process itself was busy does not count [2000]. */
  readonly timeoutMs?: number | undefined
  /** Failed checks in a row that make a ready process unhealthy [3]. */
  readonly fails?: number | undefined
  /** Good checks in a row that make it ready [1]. */
  readonly passes?: number | undefined
  /** How long it may take to listen and become ready at first, in ms; then `not-ready` [120000]. */
  readonly withinMs?: number | undefined
}

/**
 * Whether the process is ready: not if it returns false or a failed `Response`, or throws, or a promise of these. The
 * signal aborts when the check has taken too long.
 */
export type ReadyFunction = (signal: AbortSignal) => unknown

/** Options of `register`. Defaults in brackets. */
export interface RegisterOptions {
  /** What to register: one instance, or several for several ports or services. */
  readonly services: RegisteredService | readonly RegisteredService[]
  /** Where this process runs [the task that `self()` finds]. */
  readonly place?: Task | Place | undefined
  /** A path, asked for by GET on the first port and good with 2xx, or a function [ready when the servers listen]. */
  readonly ready?: string | ReadyFunction | undefined
  /** How readiness is checked. */
  readonly readiness?: ReadinessOptions | undefined
  /** Region, endpoint and credentials, as in `createClient`'s `cloudMap` [what the AWS SDK finds]. */
  readonly cloudMap?: Pick<CloudMapOptions, 'region' | 'endpoint' | 'credentials'> | undefined
  /** How long failed requests are retried, in ms [60000]. */
  readonly registerMs?: number | undefined
  /** How long an operation of Cloud Map may take, in ms [60000]. */
  readonly operationMs?: number | undefined
  /** Between looks at whether the instance is still registered as it was, in ms, ± 10 % [60000]. */
  readonly verifyMs?: number | undefined
  /** Deregisters when it aborts, as `deregister()` does [none]. */
  readonly signal?: AbortSignal | undefined
  /** Where the metadata endpoint and `PORT` are [`process.env`]. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined
  /** [the system's] */
  readonly clock?: Clock | undefined
  /** [the system's] */
  readonly random?: Random | undefined
}

export interface ServiceSettings {
  readonly service: string
  readonly id: RegisteredService['id']
  readonly weight: RegisteredService['weight']
  readonly family: RegisteredService['family']
  readonly listener: ListeningServer | number
  readonly attributes: Readonly<Record<string, string>>
}

export type ReadinessSettings = { readonly [Key in keyof ReadinessOptions]-?: number }

export interface RegisterSettings {
  readonly ready: RegisterOptions['ready']
  readonly signal: RegisterOptions['signal']
  readonly services: readonly [ServiceSettings, ...ServiceSettings[]]
  /** undefined: that of `self()`. */
  readonly place: KnownPlace | undefined
  readonly readiness: ReadinessSettings
  readonly sdkConfig: ServiceDiscoveryClientConfig
  readonly registerMs: number
  readonly operationMs: number
  readonly verifyMs: number
  readonly env: Environment
  /** For work in the background: it keeps no process alive. */
  readonly clock: Clock
  /** The same clock, for what is awaited. */
  readonly waitingClock: Clock
  readonly random: Random
}

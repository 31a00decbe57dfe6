import type { Outcome } from './outcome.ts'

/**
 * What each event carries. `host` is the host of the service, `upstream` is `address:port`, times are in ms.
 */
export interface EventPayloads {
  /** A service's set of endpoints is another than before. Addresses as `address:port` where a port is known. */
  'onehop:snapshot.changed': {
    readonly host: string
    readonly source: string
    readonly endpoints: readonly string[]
    readonly added: readonly string[]
    readonly removed: readonly string[]
  }
  /**
   * A source that named endpoints names none. That is not believed for `forMs`, since registries have hiccups:
   * calls go on with those that were known. The event is sent with the first such answer.
   */
  'onehop:snapshot.held': {
    readonly host: string
    readonly source: string
    /** How many are kept. */
    readonly endpoints: number
    readonly forMs: number
  }
  /** A lookup failed. `servingStale`: calls go on with the last good set. */
  'onehop:resolve.failed': {
    readonly host: string
    readonly error: Error
    readonly servingStale: boolean
    readonly retryInMs: number
  }
  /** `auto` discovery asks DNS for a name from now on, since the Cloud Map API fails. Sent once, until it recovers. */
  'onehop:discovery.fell-back': {
    readonly host: string
    readonly from: string
    readonly to: string
    readonly error: Error
  }
  /** The Cloud Map API answers for a name again, or for the first time after DNS had to. */
  'onehop:discovery.recovered': { readonly host: string; readonly from: string; readonly to: string }
  /**
   * `DiscoverInstancesRevision` may not be called, so every poll is a whole `DiscoverInstances`. Costs more bytes
   * and quota, and works as well. `error` names the IAM action.
   */
  'onehop:revision.denied': { readonly host: string; readonly error: Error }
  /** The task metadata does not say where this process runs: calls go to all zones alike. Asked again in a minute. */
  'onehop:location.unknown': { readonly error: Error }
  /** Discovery named an address that is never connected to, or an endpoint that cannot be used. */
  'onehop:endpoint.refused': { readonly host: string; readonly address: string; readonly reason: string }
  /** A task gets no calls for `forMs`, because of `reason`. Then a probe decides. */
  'onehop:upstream.ejected': {
    readonly host: string
    readonly upstream: string
    /** `refuses` connections, `fails` more than its peers, or `drains` because it is about to end. */
    readonly cause: 'refuses' | 'fails' | 'drains'
    /** The failure, in words. */
    readonly reason: string
    readonly forMs: number
  }
  /** A probe succeeded: an ejected task gets calls again. */
  'onehop:upstream.readmitted': { readonly host: string; readonly upstream: string }
  /** No task of a service is available, and no fallback is configured: all tasks are tried. */
  'onehop:cluster.panicked': { readonly host: string; readonly available: number; readonly total: number }
  /** An attempt failed with `outcome`, and another begins after `waitMs`. */
  'onehop:call.retried': {
    readonly host: string
    readonly method: string
    /** The attempt that failed, from 1. */
    readonly attempt: number
    readonly upstream: string
    readonly outcome: Outcome
    readonly waitMs: number
  }
  /** A second attempt began beside one that is slow, on the upstream `beside`. */
  'onehop:call.hedged': {
    readonly host: string
    readonly method: string
    /** The one that is slow, from 1. */
    readonly attempt: number
    readonly upstream: string
    readonly beside: string
    readonly afterMs: number
  }
  /** A failure was handed to the caller although a retry was allowed, because the budget was spent. */
  'onehop:retry.over-budget': { readonly host: string; readonly method: string; readonly outcome: Outcome }
  /** At the start: SIGKILL would come before a shutdown that loses no call is over. The window shrinks to `windowMs`. */
  'onehop:shutdown.too-short': {
    /** What `stopTimeout` should be at least. */
    readonly neededMs: number
    readonly stopTimeoutMs: number
    readonly windowMs: number
    readonly wantedWindowMs: number
  }
  /** A shutdown goes on: `draining`, `finishing`, `closing`, `closed`. */
  'onehop:shutdown.changed': {
    readonly from: string
    readonly to: string
    /** `SIGTERM` */
    readonly reason: string
    /** Since the signal. */
    readonly sinceMs: number
    /** Requests and upgraded connections under way. */
    readonly inFlight: number
  }
  /** Requests were broken, since they took longer than `finishMs`, or a second signal came. */
  'onehop:shutdown.cut': {
    readonly reason: string
    /** Under way when `cutting` aborted. */
    readonly inFlight: number
    /** What was broken, e.g. `GET /export`: at most 20. */
    readonly cut: readonly string[]
    readonly count: number
  }
  /** Whether ECS leaves this task alone when it scales in or deploys. `error`: why it is not so, though it was asked. */
  'onehop:protection.changed': {
    readonly from: string
    readonly to: string
    /** Holds at that moment. */
    readonly holds: number
    readonly error: Error | undefined
  }
  /** The function `classify` threw, or returned what is not allowed. The response counts by its status. */
  'onehop:classify.failed': {
    readonly host: string
    /** Of the response. */
    readonly status: number
    readonly error: Error
  }
  /** An attempt goes to the load balancer instead of a task. */
  'onehop:call.fell-back': {
    readonly host: string
    readonly method: string
    readonly upstream: string
    readonly cause: FallbackCause
    /** The same in words, with numbers. */
    readonly reason: string
  }
  /** A lease of `client.acquire` was garbage-collected without `end()`, which a door must call. It is ended now. */
  'onehop:lease.leaked': {
    readonly host: string
    readonly method: string
    readonly upstream: string
    /** Since it was acquired. */
    readonly heldMs: number
  }
  /**
   * A call to a discovered host was seen by `install(client, { mode: 'observe' })`, and goes where it went before. `upstream` is
   * the task that it would have gone to; undefined where `error` says why there is none.
   */
  'onehop:call.observed': {
    readonly host: string
    readonly method: string
    /** Whether undici sends it, or `node:http`. */
    readonly by: 'fetch' | 'http'
    readonly upstream: string | undefined
    readonly error: Error | undefined
  }
  /** An instance that this process registers in Cloud Map is in another state. `error`: why it failed, or is registered again. */
  'onehop:registration.changed': {
    /** Service as the option has it. */
    readonly service: string
    /** InstanceId; undefined before it is known. */
    readonly id: string | undefined
    readonly from: string
    readonly to: string
    readonly error: Error | undefined
  }
  /** A request to Cloud Map failed, and is sent again after `waitMs`. */
  'onehop:registration.retried': {
    readonly service: string
    readonly id: string
    /** E.g. `RegisterInstance`. */
    readonly operation: string
    /** The one that failed, from 1. */
    readonly attempt: number
    readonly waitMs: number
    readonly error: Error
  }
  /** Our instance or its service was deleted in Cloud Map, or has other attributes. It is registered again. */
  'onehop:registration.evicted': { readonly service: string; readonly id: string; readonly reason: string }
  /** Deregistration failed: the instance is left in Cloud Map, and callers may be sent to it. */
  'onehop:registration.lost': {
    readonly service: string
    readonly id: string
    readonly address: string
    /** undefined: it was registered without one. */
    readonly port: number | undefined
    readonly error: Error
  }
  /** A task that has ended had left an instance with our address and port. It was deregistered. */
  'onehop:registration.orphan-removed': {
    readonly service: string
    /** InstanceId of what was left. */
    readonly id: string
    readonly address: string
    readonly port: number | undefined
  }
  /** The role lacks an IAM action that registration can do without. `error` names it, `consequence` what does not work without it. */
  'onehop:registration.denied': {
    readonly service: string
    readonly id: string
    readonly error: Error
    readonly consequence: string
  }
  /** An instance has become healthy, or unhealthy for `reason`, and Cloud Map knows it. */
  'onehop:health.changed': {
    readonly service: string
    readonly id: string
    readonly healthy: boolean
    readonly reason: string
  }
}

/**
 * Why an attempt goes to the load balancer. Discovery: `discovery-failed`, or it knows `no-tasks`. Tasks: `tasks-ejected`
 * (all), `tasks-short` (the share that the others cannot take), `tasks-full` (`maxPending`). `retry`: tasks were tried
 * before. `probe`: the load balancer itself was ejected, and is tested.
 */
export type FallbackCause =
  | 'discovery-failed'
  | 'no-tasks'
  | 'tasks-ejected'
  | 'tasks-short'
  | 'tasks-full'
  | 'retry'
  | 'probe'

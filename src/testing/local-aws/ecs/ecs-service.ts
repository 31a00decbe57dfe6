import type { LocalMetadata } from '../metadata/local-metadata.ts'

/** Options of `startEcsService`. Defaults in brackets, times in ms. */
export interface EcsServiceOptions {
  /**
   * Program and arguments of a task. Its environment says where to listen (`HOST`, `PORT`), who it is (the metadata
   * variables), where Cloud Map is (`AWS_ENDPOINT_URL_SERVICEDISCOVERY`), and `ONEHOP_STOP_TIMEOUT_S`.
   */
  readonly command: readonly string[]
  /** The service in Cloud Map, which must exist, e.g. `orders.shop.local`. */
  readonly host: string
  /** How many, from 1 to 50. */
  readonly tasks: number
  /** Further variables of the tasks. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /**
   * Whether ECS registers a task when it listens, or the task itself does [`ecs`]. ECS registers the port only in a
   * service with SRV records, and adds zone, Region, cluster, service and family.
   */
  readonly registeredBy?: 'ecs' | 'task' | undefined
  /** From SIGTERM to deregistration, where ECS does it [0]. */
  readonly deregisterAfterMs?: number | undefined
  /** From SIGTERM to SIGKILL [30000]. */
  readonly stopTimeoutMs?: number | undefined
  /** Within which a task has to be ready [30000]. */
  readonly startWithinMs?: number | undefined
  /** Availability zones, taken in turn [none]. */
  readonly zones?: readonly string[] | undefined
}

/** Options of `deploy`. */
export interface EcsDeployment {
  /** How many tasks are started before as many are stopped [1]. */
  readonly batch?: number | undefined
  /** Variables of the new tasks, beside those of the service. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Whether a batch has to have ended before the next one starts [false]. */
  readonly awaitsExits?: boolean | undefined
}

/** A service that runs. */
export interface LocalEcsService extends AsyncDisposable {
  /** All that were ever started, in order. */
  readonly tasks: readonly EcsTask[]
  /** The port of all tasks; of the first one where the OS has but one loopback address. */
  readonly port: number
  /** Starts one more task, and resolves when it is ready. */
  add(): Promise<EcsTask>
  /** Replaces all tasks that run; resolves with them once the last one has ended. */
  deploy(deployment?: EcsDeployment): Promise<readonly EcsTask[]>
  /** SIGKILL for all tasks; their instances are deregistered where ECS has registered them. */
  close(): Promise<void>
}

/** As ECS names them. `DEACTIVATING`: SIGTERM has been sent. */
export type EcsTaskState = 'PENDING' | 'RUNNING' | 'DEACTIVATING' | 'STOPPED'

/** How a task's process ended. */
export interface EcsTaskExit {
  /** null: by a signal. */
  readonly code: number | null
  /** null: by itself. */
  readonly signal: NodeJS.Signals | null
  /** From SIGTERM, in ms; undefined where none was sent. */
  readonly tookMs: number | undefined
}

/** One task of the service. */
export interface EcsTask {
  /** The id of the task, and of its instance in Cloud Map where ECS registers it. */
  readonly id: string
  /** A loopback address of its own. */
  readonly address: string
  /** The port to listen on. */
  readonly port: number
  /** Of its process. */
  readonly pid: number | undefined
  /** How far ECS is with it. */
  readonly state: EcsTaskState
  /** Its own metadata endpoint, with its protection. */
  readonly metadata: LocalMetadata
  /** Its stdout and stderr so far. */
  readonly output: string
  /** Settles when its process has ended. */
  readonly exited: Promise<EcsTaskExit>
  /** SIGTERM, deregistration, SIGKILL after `stopTimeoutMs`. */
  stop(): Promise<EcsTaskExit>
  /** Sends a signal to its process, and nothing more. */
  signal(name: NodeJS.Signals): void
}

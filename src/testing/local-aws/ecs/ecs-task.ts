import type { LocalMetadata } from '../metadata/local-metadata.ts'

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

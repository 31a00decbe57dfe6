import type { ProtectionFaults } from '../ecs/protection-faults.ts'
import type { LocalTask } from '../ecs/task.ts'
import type { MetadataFaults } from './faults.ts'

/** One PUT, as the task sent it. */
export interface ProtectionPut {
  /** `ProtectionEnabled`, of any type. */
  readonly enabled: unknown
  /** `ExpiresInMinutes`; undefined where it was left out. */
  readonly minutes: unknown
}

/** The task's own protection from scale-in and deployments. */
export interface LocalProtection {
  /** Whether ECS would leave the task alone. */
  readonly enabled: boolean
  /** Every PUT so far, as the task sent it. */
  readonly puts: readonly ProtectionPut[]
  /** Makes it fail. */
  readonly faults: ProtectionFaults
}

/** The metadata endpoint of one ECS task. */
export interface LocalMetadata {
  /** What `ECS_CONTAINER_METADATA_URI_V4` holds in the first container of the task. */
  readonly uriV4: string
  /** The same for `ECS_CONTAINER_METADATA_URI`. */
  readonly uriV3: string
  /** The variables that ECS on Fargate sets, to be put into `process.env` or passed to a child process. */
  readonly env: Readonly<Record<string, string>>
  /** Its fields can be changed at any time. */
  readonly task: LocalTask
  /** Requests that arrived; refused connections do not. */
  readonly requests: number
  /** Whether the task has protected itself from being stopped when its service scales in. */
  readonly protectionEnabled: boolean
  /** The same, with the requests for it and their faults. */
  readonly protection: LocalProtection
  /** Makes the metadata server fail or answer late. */
  readonly faults: MetadataFaults
  /**
   * From then on connections meet ECONNREFUSED; those that are open are closed.
   * @param forMs [until `acceptConnections`]
   */
  refuseConnections(forMs?: number): Promise<void>
  /** Listens again, on the same port. */
  acceptConnections(): Promise<void>
}

import type { ProtectionFaults } from '../ecs/protection-faults.ts'
import type { ProtectionPut } from '../ecs/task-protection.ts'
import type { LocalTask } from '../ecs/task.ts'
import type { MetadataFaults } from './faults.ts'
import type { MetadataServer } from './server.ts'

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

/** A metadata server as tests see it. */
export function localMetadata(server: MetadataServer): LocalMetadata {
  const { task, faults, protection } = server
  return {
    task,
    faults,
    get uriV4() {
      return server.uri('v4')
    },
    get uriV3() {
      return server.uri('v3')
    },
    get env() {
      return {
        ECS_CONTAINER_METADATA_URI_V4: server.uri('v4'),
        ECS_CONTAINER_METADATA_URI: server.uri('v3'),
        ECS_AGENT_URI: server.uri('api'),
        AWS_EXECUTION_ENV: `AWS_ECS_${task.launchType}`,
        AWS_REGION: task.region,
        AWS_DEFAULT_REGION: task.region,
      }
    },
    get requests() {
      return server.requests
    },
    get protectionEnabled() {
      return protection.enabled
    },
    protection: {
      get enabled() {
        return protection.enabled
      },
      puts: protection.puts,
      faults: protection.faults,
    },
    refuseConnections: (forMs) => server.refuseConnections(forMs),
    acceptConnections: () => server.acceptConnections(),
  }
}

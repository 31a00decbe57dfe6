export { startLocalAws } from './start-local-aws.ts'
export type {
  LocalAws,
  LocalAwsOptions,
  LocalCloudMap,
  LocalDns,
  LocalMetadata,
  LocalRecords,
} from './local-aws.ts'
export type {
  LocalInstance,
  LocalNamespaceOptions,
  LocalRegistration,
  LocalService,
  LocalServiceOptions,
} from './account.ts'
export { AwsError } from './cloud-map/aws-error.ts'
export type { CloudMapAnswer, CloudMapFaults, OperationFault } from './cloud-map/faults.ts'
export type { DnsFaults } from './dns/faults.ts'
export type { QueryFilter } from './dns/server.ts'
export type { MetadataFaults } from './metadata/faults.ts'
export type { CustomHealthStatus, HealthStatus, RecordType, RoutingPolicy } from './model.ts'
export type { LocalContainer, LocalTask } from './ecs/task.ts'

export { startLocalAws } from './start-local-aws.ts'
export type {
  LocalAws,
  LocalAwsOptions,
  LocalCloudMap,
  LocalDns,
  LocalInstance,
  LocalNamespaceOptions,
  LocalRecords,
  LocalRegistration,
  LocalService,
  LocalServiceOptions,
  QueryFilter,
} from './local-aws.ts'
export { AwsError } from './cloud-map/aws-error.ts'
export type { CloudMapAnswer, CloudMapFaults, OperationFault } from './cloud-map/faults.ts'
export type { DnsFaults } from './dns/faults.ts'
export type { LocalMetadata, LocalProtection, ProtectionPut } from './metadata/local-metadata.ts'
export type { MetadataFaults } from './metadata/faults.ts'
export type { CustomHealthStatus, HealthStatus, RecordType, RoutingPolicy } from './model.ts'
export type { LocalContainer, LocalTask } from './ecs/task.ts'
export type { ProtectionFaults } from './ecs/protection-faults.ts'
export type {
  EcsDeployment,
  EcsServiceOptions,
  EcsTask,
  EcsTaskExit,
  EcsTaskState,
  LocalEcsService,
} from './ecs/ecs-service.ts'

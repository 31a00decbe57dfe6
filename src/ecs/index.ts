export { self, type SelfOptions } from './metadata.ts'
export type { Task, TaskContainer } from './task.ts'
export { MetadataInvalidError, MetadataUnavailableError, NotOnEcsError } from './errors.ts'

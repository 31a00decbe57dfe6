/**
 * What ECS reports about the task that this process runs in.
 * @module onehop/ecs
 */
import '../core/before-undici.ts'
import { keepGlobalDispatcher } from '../core/global-dispatcher.ts'
export { self } from './metadata/self.ts'
export type { SelfOptions } from './metadata/options.ts'
export type { Task, TaskContainer } from './metadata/task.ts'
export { MetadataInvalidError, MetadataUnavailableError, NotOnEcsError } from './metadata/errors.ts'

keepGlobalDispatcher()

/**
 * What ECS reports about the task that this process runs in.
 * @module onehop/ecs
 */
import '../core/before-undici.ts'
import { keepGlobalDispatcher } from '../core/global-dispatcher.ts'
export { self } from './metadata.ts'
export type { SelfOptions } from './options.ts'
export type { Task, TaskContainer } from './task.ts'
export { MetadataInvalidError, MetadataUnavailableError, NotOnEcsError } from './errors.ts'

keepGlobalDispatcher()

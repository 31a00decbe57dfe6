/**
 * For the called task: where it runs, and its registration in Cloud Map.
 * @module onehop/ecs
 */
import '../core/before-undici.ts'
import { keepGlobalDispatcher } from '../core/global-dispatcher.ts'
export { self } from './metadata/self.ts'
export type { SelfOptions } from './metadata/options.ts'
export type { Task, TaskContainer } from './metadata/task.ts'
export { MetadataInvalidError, MetadataUnavailableError, NotOnEcsError } from './metadata/errors.ts'
export { register } from './registration/register.ts'
export type {
  ReadinessOptions,
  ReadyFunction,
  RegisteredService,
  RegisterOptions,
} from './registration/options/options.ts'
export type { ListeningServer } from './registration/options/listener.ts'
export type { Place } from './registration/options/place.ts'
export type {
  DeregisterOptions,
  DeregistrationResult,
  InstanceInspection,
  RegisteredInstance,
  Registration,
  RegistrationInspection,
  RegistrationState,
} from './registration/registration.ts'
export { RegistrationError, type RegistrationFacts, type RegistrationFailure } from './registration/errors.ts'
export { gracefulShutdown, type Shutdown } from './shutdown/graceful-shutdown.ts'
export type { CustomServer, ShutdownOptions, ShutdownServer, Step } from './shutdown/options.ts'
export type { ShutdownInspection, ShutdownPhase, ShutdownReport } from './shutdown/report.ts'
export { protectTask, type ProtectionState, type TaskProtection } from './protection/protection.ts'
export { ProtectionError, type ProtectionFailure } from './protection/errors.ts'
export type { ProtectionOptions } from './protection/options.ts'

keepGlobalDispatcher()

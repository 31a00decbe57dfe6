import { OnehopError } from '../../core/errors.ts'

/**
 * - `not-on-ecs`: the agent's address is not known
 * - `denied`: the task has no role, or the role lacks `ecs:UpdateTaskProtection`
 * - `no-service`: no service started the task, so nothing scales it in
 * - `blocked`: tasks that are protected hold a deployment back, and ECS protects no more
 * - `throttled`, `outage`: asking again may help
 */
export type ProtectionFailure = 'not-on-ecs' | 'denied' | 'no-service' | 'blocked' | 'throttled' | 'outage'

/** ECS does not protect this task. */
export class ProtectionError extends OnehopError {
  readonly code = 'ONEHOP_PROTECTION_FAILED'
  /** Why, for programs. */
  readonly failure: ProtectionFailure

  constructor(failure: ProtectionFailure, reason: string, cause?: unknown) {
    super('ONEHOP_PROTECTION_FAILED', `${failure}: ${reason}`, cause)
    this.failure = failure
  }
}

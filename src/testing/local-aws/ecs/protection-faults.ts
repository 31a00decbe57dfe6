import { checkMs, checkOneOf } from '../../../core/check/check.ts'
import { checkedFaults } from '../checked-faults.ts'

/**
 * What the agent answers instead of protecting the task. Set the fields at any time.
 *
 *     aws.metadata.protection.faults.answer = 'blocked'
 *     aws.metadata.protection.faults.clear()
 */
export class ProtectionFaults {
  /**
   * - `normal`: none
   * - `denied`: 403, the role lacks `ecs:UpdateTaskProtection`
   * - `throttled`: 429
   * - `canceled`: 504, ECS did not answer the agent in time
   * - `blocked`, `not-valid`: 200 with `failure`
   * - `hang`: the request is taken, and never answered
   */
  answer: 'normal' | 'denied' | 'throttled' | 'canceled' | 'blocked' | 'not-valid' | 'hang' = 'normal'
  /** Time before any answer, faulty or not, in ms [0]. */
  delayMs = 0

  /** Back to normal. */
  clear(): void {
    Object.assign(this, new ProtectionFaults())
  }
}

const ANSWERS = ['normal', 'denied', 'throttled', 'canceled', 'blocked', 'not-valid', 'hang'] as const

export function protectionFaults(): ProtectionFaults {
  return checkedFaults(new ProtectionFaults(), {
    answer: (path, value) => checkOneOf(path, value, ANSWERS),
    delayMs: checkMs,
  })
}

/** Scale-in protection, which a task sets for itself: `$ECS_AGENT_URI/task-protection/v1/state`. */
import { currentDate, type Clock } from '../../../core/clock.ts'
import type { LocalProtection, ProtectionPut } from '../metadata/local-metadata.ts'
import { protectionFaults, type ProtectionFaults } from './protection-faults.ts'
import { taskArn, type LocalTask } from './task.ts'

const MS_PER_MINUTE = 60_000
const MAX_MINUTES = 2880
const DEFAULT_MINUTES = 120

export interface ProtectionAnswer {
  readonly status: number
  readonly body: object
}

export class TaskProtection implements LocalProtection {
  readonly faults: ProtectionFaults = protectionFaults()
  readonly puts: ProtectionPut[] = []
  readonly #task: LocalTask
  readonly #clock: Clock
  /** In ms on the clock; 0: not protected. */
  #protectedUntil = 0

  constructor(task: LocalTask, clock: Clock) {
    this.#task = task
    this.#clock = clock
  }

  get enabled(): boolean {
    return this.#clock.now() < this.#protectedUntil
  }

  get(): ProtectionAnswer {
    const { enabled } = this
    const protection = {
      ProtectionEnabled: enabled,
      ExpirationDate: enabled ? isoTimeIn(this.#protectedUntil - this.#clock.now()) : null,
      TaskArn: taskArn(this.#task),
    }
    return { status: 200, body: { protection } }
  }

  put(body: string): ProtectionAnswer {
    const { ProtectionEnabled: enabled, ExpiresInMinutes: given } = parse(body)
    this.puts.push({ enabled, minutes: given })
    const fault = this.#faulty()
    if (fault !== undefined) return fault
    const minutes = given ?? DEFAULT_MINUTES
    if (typeof enabled !== 'boolean') return this.#invalid('ProtectionEnabled must be true or false')
    if (typeof minutes !== 'number' || !(minutes >= 1 && minutes <= MAX_MINUTES))
      return this.#invalid(`ExpiresInMinutes must be from 1 to ${MAX_MINUTES}`)
    if (this.#task.serviceName === undefined) return this.#failure('TASK_NOT_VALID')
    this.#protectedUntil = enabled ? this.#clock.now() + minutes * MS_PER_MINUTE : 0
    return this.get()
  }

  #faulty(): ProtectionAnswer | undefined {
    switch (this.faults.answer) {
      case 'denied': {
        const Message = `User is not authorized to perform: ecs:UpdateTaskProtection on resource: ${taskArn(this.#task)}`
        return this.#error(403, 'AccessDeniedException', Message)
      }
      case 'throttled':
        return this.#error(429, 'ThrottlingException', 'Rate exceeded')
      case 'canceled':
        return this.#error(504, 'RequestCanceled', 'Timed out calling the ECS Task Protection API')
      case 'blocked':
        return this.#failure('DEPLOYMENT_BLOCKED')
      case 'not-valid':
        return this.#failure('TASK_NOT_VALID')
      case 'normal':
      case 'hang':
        return undefined
    }
  }

  #invalid(Message: string): ProtectionAnswer {
    return this.#error(400, 'InvalidParameterException', Message)
  }

  #error(status: number, Code: string, Message: string): ProtectionAnswer {
    return { status, body: { error: { Arn: taskArn(this.#task), Code, Message } } }
  }

  /** ECS refuses with status 200. */
  #failure(Reason: string): ProtectionAnswer {
    return { status: 200, body: { failure: { Arn: taskArn(this.#task), Detail: null, Reason } } }
  }
}

/** Empty where it is not an object of JSON. */
function parse(body: string): Readonly<Record<string, unknown>> {
  try {
    return (JSON.parse(body) ?? {}) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** `2026-11-20T10:12:50Z`, that many ms from now. */
function isoTimeIn(ms: number): string {
  const date = currentDate()
  date.setTime(date.getTime() + ms)
  return date.toISOString().replace(/\.\d+Z$/, 'Z')
}

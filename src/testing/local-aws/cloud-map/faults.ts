import {
  checkBoolean,
  checkKeys,
  checkMs,
  checkNumber,
  checkOneOf,
  checkRecord,
  checkString,
  keyPath,
} from '../../../core/check/check.ts'
import { AwsError } from './aws-error.ts'
import { checkedFaults, checkLag, checkOnly } from '../checked-faults.ts'

/**
 * - `normal`: none
 * - `throttle`: `RequestLimitExceeded` for the Discover operations, `ThrottlingException` for all others
 * - `deny`: `AccessDeniedException`
 * - `unavailable`: HTTP 503
 * - `full`: `ResourceLimitExceeded`
 * - `hang`: the request is taken, and never answered
 * - `lose`: the request is carried out, and its connection is reset instead of an answer
 * - `garbage`: HTTP 200 with a body that is not JSON
 */
export type CloudMapAnswer =
  | 'normal'
  | 'throttle'
  | 'deny'
  | 'unavailable'
  | 'full'
  | 'hang'
  | 'lose'
  | 'garbage'

/** A fault of one operation. */
export interface OperationFault {
  /** [`normal`] */
  readonly answer?: CloudMapAnswer | undefined
  /** Time before any answer, in ms [0]. */
  readonly delayMs?: number | undefined
  /** How many requests it holds for, from when it is set [all]. */
  readonly times?: number | undefined
}

/**
 * What the API does instead of answering. Set the fields at any time; they hold for requests that come from
 * then on, except for `delayMs` of those that wait already.
 *
 *     aws.cloudMap.faults.answer = 'throttle'
 *     aws.cloudMap.faults.only = ['DiscoverInstances']
 *     aws.cloudMap.faults.operations = { GetService: { answer: 'deny' }, RegisterInstance: { answer: 'lose', times: 1 } }
 *     aws.cloudMap.faults.clear()
 */
export class CloudMapFaults {
  /** Of all operations that `only` does not exclude. */
  answer: CloudMapAnswer = 'normal'
  /** Time before any answer, faulty or not, in ms [0]. */
  delayMs = 0
  /** Names of the operations that `answer` and `delayMs` hold for [undefined: all]. */
  only: readonly string[] | undefined = undefined
  /** Faults by name of the operation, instead of `answer` and `delayMs` [none]. */
  operations: Readonly<Record<string, OperationFault>> = {}
  /**
   * Whether operations such as RegisterInstance are taken and then end in FAIL, without effect; a text is the ErrorCode
   * [false; true: `INTERNAL_FAILURE`].
   */
  failOperations: boolean | string = false
  /** How long a new instance is unknown to requests that name it, though it is registered, in ms [0]. */
  notYetMs = 0
  /** How long a change of custom health takes to show, in ms; AWS takes some 30 s [0]. */
  healthDelayMs = 0

  /** How far DiscoverInstances and its revision are behind the registry, in ms, up to 600000 [0]. */
  lagMs = 0
  /** Whether DiscoverInstances takes all instances for healthy, so that unhealthy ones leave DNS alone [false]. */
  ignoresHealth = false

  /** Back to normal. */
  clear(): void {
    Object.assign(this, new CloudMapFaults())
  }
}

const ANSWERS = [
  ...(['normal', 'throttle', 'deny', 'unavailable', 'full', 'hang', 'lose', 'garbage'] as const),
]

export function cloudMapFaults(): CloudMapFaults {
  return checkedFaults(new CloudMapFaults(), {
    answer: checkAnswer,
    delayMs: checkMs,
    only: checkOnly,
    operations: checkOperations,
    failOperations: (path, value) =>
      typeof value === 'string' ? checkString(path, value) : checkBoolean(path, value),
    notYetMs: checkMs,
    healthDelayMs: checkMs,
    lagMs: checkLag,
    ignoresHealth: checkBoolean,
  })
}

function checkAnswer(path: string, value: unknown): CloudMapAnswer {
  return checkOneOf(path, value, ANSWERS)
}

function checkOperations(path: string, value: unknown): void {
  for (const [operation, fault] of Object.entries(checkRecord(path, value))) {
    const at = keyPath(path, operation)
    const { answer, delayMs, times } = checkKeys(at, fault, ['answer', 'delayMs', 'times'])
    if (answer !== undefined) checkAnswer(keyPath(at, 'answer'), answer)
    if (delayMs !== undefined) checkMs(keyPath(at, 'delayMs'), delayMs)
    if (times !== undefined) checkNumber(keyPath(at, 'times'), times, { min: 0, integer: true })
  }
}

/** Which fault holds for a request. Counts those that hold for some requests only. */
export class FaultPlan {
  readonly #faults: CloudMapFaults
  readonly #used = new WeakMap<OperationFault, number>()

  constructor(faults: CloudMapFaults) {
    this.#faults = faults
  }

  of(operation: string): { readonly answer: CloudMapAnswer; readonly delayMs: number } {
    const { answer, delayMs, only, operations } = this.#faults
    const own = operations[operation]
    if (own !== undefined && Object.hasOwn(operations, operation)) {
      const used = this.#used.get(own) ?? 0
      if (used >= (own.times ?? Number.POSITIVE_INFINITY)) return { answer: 'normal', delayMs: 0 }
      this.#used.set(own, used + 1)
      return { answer: own.answer ?? 'normal', delayMs: own.delayMs ?? 0 }
    }
    const holds = only === undefined || only.includes(operation)
    return holds ? { answer, delayMs } : { answer: 'normal', delayMs: 0 }
  }
}

/** The error that operations end with; undefined if they succeed. */
export function operationFailure({ failOperations }: CloudMapFaults): AwsError | undefined {
  if (failOperations === false) return undefined
  const code = failOperations === true ? 'INTERNAL_FAILURE' : failOperations
  return new AwsError(code, 'the operation failed as scripted')
}

/**
 * The error that a fault answers with; undefined for those that answer otherwise.
 * @param resource ARN of what the request is for; undefined where IAM checks no resource
 */
export function faultError(
  answer: CloudMapAnswer,
  operation: string,
  accountId: string,
  resource: string | undefined,
): AwsError | undefined {
  switch (answer) {
    case 'throttle':
      return operation.startsWith('Discover')
        ? new AwsError('RequestLimitExceeded', `too many ${operation} requests`)
        : new AwsError('ThrottlingException', 'Rate exceeded')
    case 'deny': {
      const user = `arn:aws:sts::${accountId}:assumed-role/task/local`
      const action = `servicediscovery:${operation}`
      const on = resource === undefined ? '' : ` on resource: ${resource}`
      const why = `because no identity-based policy allows the ${action} action`
      return new AwsError(
        'AccessDeniedException',
        `User: ${user} is not authorized to perform: ${action}${on} ${why}`,
      )
    }
    case 'unavailable':
      return new AwsError('ServiceUnavailable', 'the service is not available', 503)
    case 'full':
      return new AwsError('ResourceLimitExceeded', 'the quota of instances is used up')
    case 'normal':
    case 'hang':
    case 'lose':
    case 'garbage':
      return undefined
  }
}

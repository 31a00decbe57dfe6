import { checkBoolean, checkMs, checkOneOf } from '../../../core/check/check.ts'
import { AwsError } from './aws-error.ts'
import { checkedFaults, checkOnly } from '../checked-faults.ts'

/**
 * What the API does instead of answering. Set the fields at any time; they hold for requests that come from
 * then on, except for `delayMs` of those that wait already.
 *
 *     aws.cloudMap.faults.answer = 'throttle'
 *     aws.cloudMap.faults.only = ['DiscoverInstances']
 *     aws.cloudMap.faults.clear()
 */
export class CloudMapFaults {
  /**
   * - `normal`: none
   * - `throttle`: `RequestLimitExceeded`
   * - `deny`: `AccessDeniedException`
   * - `unavailable`: HTTP 503
   * - `hang`: the request is taken, and never answered
   * - `garbage`: HTTP 200 with a body that is not JSON
   */
  answer: 'normal' | 'throttle' | 'deny' | 'unavailable' | 'hang' | 'garbage' = 'normal'
  /** Time before any answer, faulty or not, in ms [0]. */
  delayMs = 0
  /** Names of the operations that `answer` and `delayMs` hold for [undefined: all]. */
  only: readonly string[] | undefined = undefined
  /** Whether operations such as RegisterInstance are taken and then end in FAIL, without effect [false]. */
  failOperations = false

  /** Back to normal. */
  clear(): void {
    this.answer = 'normal'
    this.delayMs = 0
    this.only = undefined
    this.failOperations = false
  }
}

const ANSWERS = ['normal', 'throttle', 'deny', 'unavailable', 'hang', 'garbage'] as const

export function cloudMapFaults(): CloudMapFaults {
  return checkedFaults(new CloudMapFaults(), {
    answer: (path, value) => checkOneOf(path, value, ANSWERS),
    delayMs: checkMs,
    only: checkOnly,
    failOperations: checkBoolean,
  })
}

/** The error that a fault answers with; undefined for those that answer otherwise. */
export function faultError(
  answer: CloudMapFaults['answer'],
  operation: string,
  accountId: string,
): AwsError | undefined {
  switch (answer) {
    case 'throttle':
      return new AwsError('RequestLimitExceeded', `too many ${operation} requests`)
    case 'deny': {
      const user = `arn:aws:sts::${accountId}:assumed-role/task/local`
      const action = `servicediscovery:${operation}`
      return new AwsError('AccessDeniedException', `User: ${user} is not authorized to perform: ${action}`)
    }
    case 'unavailable':
      return new AwsError('ServiceUnavailable', 'the service is not available', 503)
    case 'normal':
    case 'hang':
    case 'garbage':
      return undefined
  }
}

import { checkMs, numberIn, checkOneOf } from '../../../core/check/check.ts'
import { checkedFaults } from '../checked-faults.ts'

/**
 * What the metadata server does instead of answering. Set the fields at any time; they hold for requests that
 * come from then on. Refusing connections is `LocalMetadata.refuseConnections`, because it takes a moment.
 *
 *     aws.metadata.faults.answer = 'unknown-task'
 *     aws.metadata.faults.clear()
 */
export class MetadataFaults {
  /**
   * - `normal`: none
   * - `error`: 500 with a JSON string
   * - `unknown-task`: 404 with a JSON string, as long as the agent has not heard of the task
   * - `not-json`: 200 with a body that is not JSON
   * - `hang`: the request is taken, and never answered
   */
  answer: 'normal' | 'error' | 'unknown-task' | 'not-json' | 'hang' = 'normal'
  /** Time before any answer, faulty or not, in ms [0]. */
  delayMs = 0
  /** How many of the next requests have their connection reset; counts down to 0 [0]. */
  resets = 0

  /** Back to normal. */
  clear(): void {
    Object.assign(this, new MetadataFaults())
  }
}

const ANSWERS = ['normal', 'error', 'unknown-task', 'not-json', 'hang'] as const

export function metadataFaults(): MetadataFaults {
  return checkedFaults(new MetadataFaults(), {
    answer: (path, value) => checkOneOf(path, value, ANSWERS),
    delayMs: checkMs,
    resets: numberIn({ min: 0, integer: true }),
  })
}

import { checkMs, checkOneOf } from '../../../core/check/check.ts'
import { checkedFaults, checkLag, checkOnly } from '../checked-faults.ts'

/**
 * What the DNS server does instead of answering. Set the fields at any time; they hold for queries that come
 * from then on.
 *
 *     aws.dns.faults.answer = 'drop'
 *     aws.dns.faults.transport = 'udp'
 *     aws.dns.faults.clear()
 */
export class DnsFaults {
  /**
   * - `normal`: none
   * - `servfail`, `refused`: that response code
   * - `drop`: the query is taken and never answered, so that the asker runs into its timeout
   * - `truncate`: over UDP nothing but the truncation bit, whatever the size; TCP answers
   * - `garbage`: the right id, then bytes that make no sense
   * - `wrong-id`: an answer to a question that was not asked, as a forger would send it
   * - `wrong-port`: the right answer, but from another port than the one asked; TCP answers as ever
   * - `twice`: the same answer two times
   */
  answer:
    | 'normal'
    | 'servfail'
    | 'refused'
    | 'drop'
    | 'truncate'
    | 'garbage'
    | 'wrong-id'
    | 'wrong-port'
    | 'twice' = 'normal'
  /** Which way of asking `answer` and `delayMs` hold for [`both`]. */
  transport: 'udp' | 'tcp' | 'both' = 'both'
  /** Time before any answer, faulty or not, in ms [0]. */
  delayMs = 0
  /** Names that `answer` and `delayMs` hold for, as asked, in any case [undefined: all]. */
  only: readonly string[] | undefined = undefined
  /** How far the records of services are behind the registry, in ms, up to 600000 [0]. */
  lagMs = 0

  /** Back to normal. */
  clear(): void {
    Object.assign(this, new DnsFaults())
  }
}

const ANSWERS = [
  ...['normal', 'servfail', 'refused', 'drop', 'truncate', 'garbage', 'wrong-id', 'wrong-port', 'twice'],
] as const

export function dnsFaults(): DnsFaults {
  return checkedFaults(new DnsFaults(), {
    answer: (path, value) => checkOneOf(path, value, ANSWERS),
    transport: (path, value) => checkOneOf(path, value, ['udp', 'tcp', 'both']),
    delayMs: checkMs,
    only: checkOnly,
    lagMs: checkLag,
  })
}

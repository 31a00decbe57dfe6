/** What the parent asks of a caller's process, and what it gets. The parent's next message ends the load. */

/** A call is slow if it takes this much longer than its task. A new connection takes a millisecond. */
export const SLOW_MS = 200

export interface Order {
  readonly side: 'onehop' | 'without'
  readonly libraries: readonly string[]
  readonly origin: string
  readonly dnsServer: string
  /** Of each library; GET and POST in turn. */
  readonly everyMs: number
  /** Calls of each library at a time: a machine that is slow calls less, instead of piling calls up [no limit]. */
  readonly maxInFlight?: number
  /** How long tasks take. */
  readonly delayMs: number
}

export interface Counts {
  calls: number
  failed: number
  slow: number
}

export interface Tally {
  readonly library: string
  readonly GET: Counts
  readonly POST: Counts
  /** How often, by method and code. */
  readonly errors: Record<string, number>
  /** Answers by task. */
  readonly tasks: Record<string, number>
}

/** What came of it. */
export interface Done {
  readonly kind: 'done'
  readonly tallies: readonly Tally[]
  /** Calls of all libraries, at most. */
  readonly mostInFlight: number
  /** How late the process was for its timers, at most. */
  readonly lateMaxMs: number
}

export type Report =
  | { readonly kind: 'begun' }
  /** Another task has answered. */
  | { readonly kind: 'answered'; readonly tasks: number }
  | Done
  | { readonly kind: 'failed'; readonly error: string }

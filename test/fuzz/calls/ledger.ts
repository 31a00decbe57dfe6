/** What client and tasks of one world did, and what of it may not be. */

export interface CallRecord {
  readonly id: string
  /** Whether it may reach a task once at most. */
  readonly once: boolean
  readonly what: string
  hasEnded: boolean
  outcome: string | undefined
}

export class Ledger {
  readonly calls: Map<string, CallRecord> = new Map()
  /** Tasks that began to act on a request, by its id. */
  readonly acted: Map<string, string[]> = new Map()
  /** What each task made of a request, by its id. */
  readonly #manners = new Map<string, string[]>()
  /** How often each thing happened. */
  readonly counts: Record<string, number> = {}
  /** Texts that say what was wrong with what. */
  readonly faults: Set<string> = new Set()

  fault(text: string, id?: string): void {
    const call = id === undefined ? undefined : this.calls.get(id)
    const told = call === undefined ? [] : [`call ${call.id}`, call.what, call.outcome ?? 'not over']
    const manners = this.#manners.get(id ?? '') ?? []
    this.faults.add(told.length === 0 ? text : `${text}: ${[...told, ...manners].join(', ')}`)
  }

  count(what: string): void {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }

  begin(id: string, once: boolean, what: string): CallRecord {
    const record: CallRecord = { id, once, what, hasEnded: false, outcome: undefined }
    this.calls.set(id, record)
    return record
  }

  end(record: CallRecord, outcome: string): void {
    if (record.hasEnded) {
      this.fault(`ended twice, then with ${outcome}`, record.id)
      return
    }
    record.hasEnded = true
    record.outcome = outcome
    this.count(outcome)
  }

  /** The client writes the headers of a request. A task may read them much later: it accepts one connection in a turn of its loop. */
  sent(id: string): void {
    if (this.calls.get(id)?.hasEnded === true) this.fault('sent after its end', id)
  }

  /** A task has the headers of a request. @param acts false: it refuses to, and says so */
  reached(id: string, task: string, manner: string, acts: boolean): void {
    const call = this.calls.get(id)
    this.count(`a task ${manner}`)
    this.#manners.set(id, [...(this.#manners.get(id) ?? []), `${task} ${manner}`])
    if (call === undefined) return this.fault(`a request of nobody's: ${id}`)
    if (!acts) return
    const tasks = this.acted.get(id) ?? []
    tasks.push(task)
    this.acted.set(id, tasks)
    if (call.once && tasks.length > 1) this.fault(`acted upon by ${tasks.join(' and ')}`, id)
  }
}

import type { FleetTask } from 'onehop/testing'

const ASKED_EVERY_MS = 50

/**
 * How long the tasks' processes took at most to answer their parent over IPC, whatever they do to calls. A machine with
 * other load lets them stand still as well as the process that measures.
 */
export class TaskLateness implements Disposable {
  #maxMs = 0
  readonly #asked = new Set<FleetTask>()
  readonly #timer: NodeJS.Timeout

  constructor(tasks: () => readonly FleetTask[]) {
    this.#timer = setInterval(() => {
      for (const task of tasks()) if (!this.#asked.has(task)) void this.#ask(task)
    }, ASKED_EVERY_MS)
  }

  /** Since the last call of this. */
  takeMaxMs(): number {
    const ms = this.#maxMs
    this.#maxMs = 0
    return ms
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  async #ask(task: FleetTask): Promise<void> {
    this.#asked.add(task)
    const askedAt = performance.now()
    try {
      await task.stats()
      this.#maxMs = Math.max(this.#maxMs, performance.now() - askedAt)
    } catch {
      // It has been stopped or killed, which says nothing of the machine.
    }
    this.#asked.delete(task)
  }
}

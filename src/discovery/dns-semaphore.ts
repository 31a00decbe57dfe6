/** Lets a number of tasks run at a time; the others wait in order. */
export class Semaphore {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(places: number) {
    this.#free = places
  }

  /**
   * Runs `work` when there is a place for it, and gives the place back when it has settled.
   * Rejects with the signal's reason at once when it aborts while waiting; `work` is then never run.
   */
  async run<Result>(signal: AbortSignal, work: () => Promise<Result>): Promise<Result> {
    await this.#enter(signal)
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  #enter(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason as Error)
      if (this.#free > 0) {
        this.#free--
        return resolve()
      }
      const onPlace = (): void => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      const onAbort = (): void => {
        this.#waiting.delete(onPlace)
        reject(signal.reason as Error)
      }
      this.#waiting.add(onPlace)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** The place goes on to the one that has waited longest, so that no newcomer can take it before. */
  #leave(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free++
      return
    }
    this.#waiting.delete(next)
    next()
  }
}

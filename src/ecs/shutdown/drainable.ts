import type { CustomServer, Step } from './options.ts'

/** One server as the shutdown sees it. */
export interface Drainable {
  /** Requests and upgraded connections that have not ended. */
  readonly inFlight: number
  /** When a connection or a request last came in, on the clock. */
  readonly lastArrivalAt: number
  /** Every answer from now on sends its caller away. Requests are taken as before. */
  drain(): void
  /**
   * Takes no more connections and ends those without a request. Resolves when the last one has ended.
   * @param cutting aborts a moment before `cut`
   */
  stop(cutting: AbortSignal): Promise<void>
  /**
   * Breaks what is left.
   * @returns the requests, as `GET /orders`, and connections that it broke
   */
  cut(): readonly string[]
  /** Takes all listeners off the server. */
  release(): void
}

/** Anything else than a server of Node. Its requests under way are not known. */
export class CustomDrainable implements Drainable {
  readonly inFlight = 0
  readonly lastArrivalAt: number = Number.NEGATIVE_INFINITY
  readonly #server: CustomServer
  readonly #onError: (error: unknown) => void
  #isClosing = false

  /** @param onError gets what its functions throw */
  constructor(server: CustomServer, onError: (error: unknown) => void) {
    this.#server = server
    this.#onError = onError
  }

  drain(): void {
    void runStep(() => this.#server.drain?.(), this.#onError)
  }

  async stop(cutting: AbortSignal): Promise<void> {
    this.#isClosing = true
    await runStep(() => this.#server.close(cutting), this.#onError)
    this.#isClosing = false
  }

  cut(): readonly string[] {
    return this.#isClosing ? ['close() of a server'] : []
  }

  release(): void {
    // It has no listeners to take off.
  }
}

/** Calls a function of the user's, and waits for it. What it throws does not end the shutdown. */
export async function runStep(step: Step, onError: (error: unknown) => void): Promise<void> {
  try {
    await step()
  } catch (error) {
    onError(error)
  }
}

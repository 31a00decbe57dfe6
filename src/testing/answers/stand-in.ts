import { Dispatcher } from 'undici'
import { checkMethods } from '../../core/check/functions.ts'
import { Exchange, type Answering } from './exchange.ts'

/** What answers the requests of a test: undici's `MockAgent` or another dispatcher, or a `fetch` that gets a `Request`. */
export type Answers = Pick<Dispatcher, 'dispatch'> | typeof globalThis.fetch | Answering

/** @throws InvalidOptionsError for what is neither a dispatcher nor a function */
export function checkAnswers(answers: unknown): Answers {
  const allowed = "a dispatcher such as undici's MockAgent, or a function (request) => Promise<Response>"
  if (typeof answers === 'function') return answers as Answering
  return checkMethods<Dispatcher>('answers', answers, ['dispatch'], allowed)
}

/** Takes the requests of a client in place of its connections. It has nothing to close. */
export class StandIn extends Dispatcher {
  readonly #answers: Answers
  readonly #origin: string | undefined

  /** @param origin of all requests [each request's own] */
  constructor(answers: Answers, origin?: string) {
    super()
    this.#answers = answers
    this.#origin = origin
  }

  override dispatch(given: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    // The load balancer of `fallback` is called by its own name.
    const options = this.#origin === undefined ? given : { ...given, origin: this.#origin }
    const answers = this.#answers
    if (typeof answers === 'function') {
      const exchange = new Exchange(handler)
      handler.onRequestStart?.(exchange, null)
      void exchange.run(options, answers)
    } else {
      // Later, as from a socket: an error in this turn would count as the request's own. Not by `queueMicrotask`, which
      // fake timers may have replaced.
      void Promise.resolve().then(() => dispatchTo(answers, options, handler))
    }
    return true
  }

  override close(callback?: () => void): Promise<void> & void {
    return ended(callback)
  }

  override destroy(first?: Error | null | (() => void), second?: () => void): Promise<void> & void {
    return ended(typeof first === 'function' ? first : second)
  }
}

function dispatchTo(
  dispatcher: Pick<Dispatcher, 'dispatch'>,
  options: Dispatcher.DispatchOptions,
  handler: Dispatcher.DispatchHandler,
): void {
  try {
    dispatcher.dispatch(options, handler)
  } catch (error) {
    handler.onResponseError?.(null as never, error as Error)
  }
}

function ended(callback: (() => void) | undefined): Promise<void> & void {
  const done = Promise.resolve()
  if (callback !== undefined) void done.then(callback)
  return (callback === undefined ? done : undefined) as Promise<void> & void
}

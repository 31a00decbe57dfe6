/** HTTP/1.1 pipelining: responses come in the order of requests, and an attempt must not answer for the one ahead of it. */
import { Client, type Dispatcher } from 'undici'

/** The attempts on one connection, in the order in which their responses come. */
export type Line = InLine[]

/** An attempt that knows whether the next response on its connection is its own. */
export interface InLine {
  /** It is sent over a connection on which responses come in the order of requests. */
  lineUp(line: Line): void
  /** From now on the next response is its own. */
  isFirstInLine(now: number): void
}

/** What undici's client gets as a handler here. */
interface PipelinedAttempt {
  readonly share: InLine | undefined
}

/** A client that sends several requests over its connection before the first is answered (HTTP/1.1 pipelining). */
class PipeliningClient extends Client {
  readonly #line: Line = []

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    ;(handler as unknown as PipelinedAttempt).share?.lineUp(this.#line)
    return super.dispatch(options, handler)
  }
}

/** The `factory` of a pool with pipelining. */
export function pipeliningClient(origin: URL, options: object): Client {
  return new PipeliningClient(origin, options)
}

import type { Dispatcher } from 'undici'
import { headerValue } from './headers.ts'

/** What a balancer reads of a request to find its key. Made only for balancers that ask. */
export class KeyedRequest {
  readonly method: string
  readonly path: string
  readonly #headers: unknown

  /** @param options with headers as a list */
  constructor({ method, path, headers }: Dispatcher.DispatchOptions) {
    this.method = method
    this.path = path
    this.#headers = headers
  }

  /** The first value of a header, in whatever case it was written; undefined where there is none, or it is blank. */
  header(name: string): string | undefined {
    return headerValue(this.#headers, name.toLowerCase())
  }
}

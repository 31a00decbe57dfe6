import type { Dispatcher } from 'undici'

type Headers = Dispatcher.DispatchOptions['headers']

/** What a balancer reads of a request to find its key. Made only for balancers that ask. */
export class KeyedRequest {
  readonly method: string
  readonly path: string
  readonly #headers: Headers

  constructor({ method, path, headers }: Dispatcher.DispatchOptions) {
    this.method = method
    this.path = path
    this.#headers = headers
  }

  /** The first value of a header, in whatever case it was written; undefined where there is none. */
  header(name: string): string | undefined {
    const value = valueOf(this.#headers, name.toLowerCase())
    const first = (Array.isArray(value) ? value[0] : value) as string | Buffer | null | undefined
    return first === undefined || first === null ? undefined : String(first)
  }
}

/** In all forms that undici takes: names and values in turn, pairs, or an object. */
function valueOf(headers: Headers, name: string): unknown {
  if (headers === undefined || headers === null) return undefined
  if (Array.isArray(headers)) {
    // A proxy may hand them on as the buffers that they came in.
    for (let i = 0; i < headers.length; i += 2) if (isName(headers[i], name)) return headers[i + 1]
    return undefined
  }
  if (Symbol.iterator in headers) {
    for (const [key, value] of headers as Iterable<[string, unknown]>) if (isName(key, name)) return value
    return undefined
  }
  if (Object.hasOwn(headers, name)) return headers[name]
  for (const key in headers) if (isName(key, name)) return headers[key]
  return undefined
}

function isName(written: unknown, name: string): boolean {
  const text = String(written)
  return text.length === name.length && text.toLowerCase() === name
}

import type { Dispatcher } from 'undici'

/**
 * The `fetch` of Node 22 adds its own `content-length` to that of the caller, as `7, 7`. A list of one and the same value
 * is that value (RFC 9110 section 8.6); undici 8 refuses it.
 * @returns the same options where there is no such list
 */
export function withOneLength(options: Dispatcher.DispatchOptions): Dispatcher.DispatchOptions {
  const { headers } = options
  // That fetch hands over a plain object. In all other forms the headers are the caller's own.
  if (typeof headers !== 'object' || headers === null || Symbol.iterator in headers) return options
  for (const name in headers) {
    const value = headers[name]
    if (typeof value !== 'string' || name.toLowerCase() !== 'content-length') continue
    const length = /^(?<length>\d+)(?:, \k<length>)+$/.exec(value)?.groups?.['length']
    return length === undefined ? options : { ...options, headers: { ...headers, [name]: length } }
  }
  return options
}

import type { Dispatcher } from 'undici'

type Headers = Dispatcher.DispatchOptions['headers']

/** The same headers with one more, instead of those of that name. In all forms that undici takes. */
export function withHeader(headers: Headers, name: string, value: string): Headers {
  if (headers === undefined || headers === null) return { [name]: value }
  if (Array.isArray(headers)) return [...withoutPair(headers, name), name, value]
  if (Symbol.iterator in headers) {
    const pairs = [...(headers as Iterable<[string, string]>)].filter(([key]) => !isName(key, name))
    return [...pairs.flat(1), name, value]
  }
  const others: Record<string, string | string[] | number | undefined> = {}
  for (const key in headers) if (!isName(key, name)) others[key] = headers[key]
  others[name] = value
  return others as Headers
}

/** Names and values in turn. */
function withoutPair(headers: readonly string[], name: string): readonly string[] {
  const isOther = (index: number): boolean => !isName(headers[index], name)
  return headers.filter((_part, index) => isOther(index - (index % 2)))
}

/** A proxy may hand names on as the buffers that they came in. */
function isName(written: unknown, name: string): boolean {
  return String(written).toLowerCase() === name
}

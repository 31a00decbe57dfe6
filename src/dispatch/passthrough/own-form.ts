import { Dispatcher, FormData } from 'undici'

/** As all take it: the types of Node and of the browser do not agree on what a file is. */
interface Form {
  append(name: string, value: unknown, fileName?: string): void
}

/**
 * The dispatcher that Node has made is of Node's own undici. With a form of npm's undici it sends a request that never ends, so
 * it gets a form of Node's.
 * @returns the same options for another body, or a dispatcher of npm's undici
 */
export function withOwnForm(
  options: Dispatcher.DispatchOptions,
  target: Dispatcher,
): Dispatcher.DispatchOptions {
  const body: unknown = options.body
  if (!(body instanceof FormData) || target instanceof Dispatcher) return options
  const form: Form = new globalThis.FormData()
  for (const [name, value] of body) {
    if (typeof value === 'string') form.append(name, value)
    else form.append(name, value, value.name)
  }
  return { ...options, body: form as never }
}

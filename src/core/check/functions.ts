/** Checks of functions, and of objects that are known by their methods. What these take and return cannot be checked. */
import { types } from 'node:util'
import type { Clock } from '../clock.ts'
import { InvalidOptionsError } from '../errors.ts'
import { keyPath } from './check.ts'

/** @param allowed for people, e.g. `a function (outcome, request) => boolean`: what it takes cannot be checked */
export function checkFunction(path: string, value: unknown, allowed: string): (...args: never[]) => unknown {
  if (typeof value !== 'function') throw new InvalidOptionsError(path, value, allowed)
  return value as (...args: never[]) => unknown
}

/** The same for a function whose result is used at once. */
export function checkSyncFunction(
  path: string,
  value: unknown,
  allowed: string,
): (...args: never[]) => unknown {
  if (types.isAsyncFunction(value)) throw new InvalidOptionsError(path, value, allowed)
  return checkFunction(path, value, allowed)
}

/** An object of the user's own that has these methods. What they take and return cannot be checked. */
export function checkMethods<Kind extends object>(
  path: string,
  value: unknown,
  methods: readonly (keyof Kind & string)[],
  allowed: string,
): Kind {
  if (typeof value !== 'object' || value === null) throw new InvalidOptionsError(path, value, allowed)
  for (const method of methods) {
    const own = (value as Record<string, unknown>)[method]
    if (typeof own !== 'function') throw new InvalidOptionsError(keyPath(path, method), own, allowed)
  }
  return value as Kind
}

/** What `createClient` returns, as far as its methods are called. */
export function checkClient(client: unknown, methods: readonly string[]): void {
  const own = client as Readonly<Record<string, unknown>> | null | undefined
  if (methods.some((method) => typeof own?.[method] !== 'function'))
    throw new InvalidOptionsError('client', client, 'a client, as createClient returns it')
}

export function checkClock(path: string, value: unknown): Clock {
  return checkMethods(
    path,
    value,
    ['now', 'setTimer', 'afterIo'],
    'a clock with now(), setTimer() and afterIo()',
  )
}

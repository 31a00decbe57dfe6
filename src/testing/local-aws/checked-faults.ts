import { checkArray, checkNumber, checkString, keyPath, noSuchOption } from '../../core/check/check.ts'
import { MAX_LAG_MS } from './history.ts'

/** A check for each field, which throws for a value that is not allowed. */
export type FieldChecks = Readonly<Record<string, (path: string, value: unknown) => unknown>>

/**
 * The same object, but only its fields can be set, and only to allowed values: a misspelt fault would let a test pass for
 * the wrong reason.
 */
export function checkedFaults<Faults extends object>(faults: Faults, checks: FieldChecks): Faults {
  return new Proxy(faults, {
    set(target, key, value) {
      const check = typeof key === 'string' && Object.hasOwn(checks, key) ? checks[key] : undefined
      if (check === undefined) throw noSuchOption('faults', String(key), Object.keys(checks))
      check(keyPath('faults', String(key)), value)
      return Reflect.set(target, key, value)
    },
  })
}

/** A list of names, or undefined for all. */
export function checkOnly(path: string, value: unknown): void {
  if (value === undefined) return
  checkArray(path, value, 'undefined, or an array of names', (at, name) => checkString(at, name))
}

/** How far a source is behind, in ms. */
export function checkLag(path: string, value: unknown): void {
  checkNumber(path, value, { min: 0, max: MAX_LAG_MS, unit: 'ms' })
}

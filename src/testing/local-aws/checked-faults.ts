import { checkArray, checkString, keyPath, noSuchOption } from '../../core/check.ts'

/** For each field what may be set there; each throws for what may not. */
export type FieldChecks = Readonly<Record<string, (path: string, value: unknown) => unknown>>

/**
 * The same object, but nothing else can be set than its fields, to what the checks let pass: a test whose fault is
 * misspelt would pass for the wrong reason.
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

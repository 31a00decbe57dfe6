import { types } from 'node:util'
import { checkFunction } from '../core/check/check.ts'
import { InvalidOptionsError } from '../core/errors.ts'
import type { Classify } from '../dispatch/classify-response.ts'

/** Checks the option `classify`. What it returns is checked with each response. */
export function checkClassify(path: string, value: unknown): Classify | undefined {
  if (value === false) return undefined
  const allowed = 'false, or a function (status, headers, trailers) => classification, not an async one'
  if (types.isAsyncFunction(value)) throw new InvalidOptionsError(path, value, allowed)
  return checkFunction(path, value, allowed) as Classify
}

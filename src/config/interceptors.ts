import { checkArray, checkFunction } from '../core/check/check.ts'
import type { Interceptor } from '../dispatch/intercepted-dispatcher.ts'

/** Checks the option `interceptors`. What they return is checked when they are put together. */
export function checkInterceptors(path: string, value: unknown): readonly Interceptor[] {
  const allowed = 'an array of interceptors of undici, e.g. [interceptors.decompress()]'
  return checkArray(
    path,
    value,
    allowed,
    (entryPath, entry) =>
      checkFunction(
        entryPath,
        entry,
        'an interceptor of undici, e.g. interceptors.decompress()',
      ) as Interceptor,
  )
}

import type { SubsetOptions } from '../cluster/subset.ts'
import { checkKeys, checkString, given, keyPath, numberIn } from '../core/check/check.ts'
import type { MaxPending } from '../dispatch/route.ts'
import type { ServiceSettings } from '../dispatch/settings.ts'
import { Section } from '../core/check/section.ts'

const MAX_COUNT = 1_000_000

const checkCount = numberIn({ min: 1, max: MAX_COUNT, integer: true })

/** Resolves the option `maxPending`. */
export function maxPendingSettings(path: string, value: unknown, inherited: MaxPending): MaxPending {
  const maxPending = new Section(path, value, inherited)
  return {
    perTask: maxPending.read('perTask', checkCount),
    perOrigin: maxPending.read('perOrigin', checkCount),
  }
}

/** Resolves the option `subset`. undefined: all endpoints are called. */
export function subsetSettings(
  path: string,
  value: unknown,
  defaults: Pick<ServiceSettings, 'subset' | 'clientId'>,
): SubsetOptions | undefined {
  if (value === undefined) return defaults.subset
  if (value === false) return undefined
  const { size, clientId } = checkKeys(path, value, ['size', 'clientId'], 'false')
  return {
    size: checkCount(keyPath(path, 'size'), size),
    clientId: given(keyPath(path, 'clientId'), clientId, defaults.clientId, checkString),
  }
}

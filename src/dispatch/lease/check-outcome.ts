import { checkNumber, checkOneOf } from '../../core/check/check.ts'
import { InvalidOptionsError } from '../../core/errors.ts'
import type { Outcome } from '../../core/outcome.ts'
import { checkClassification } from '../classify-response.ts'

const KINDS: readonly Outcome['kind'][] = [
  'response',
  'connect-error',
  'transport-error',
  'timeout',
  'queue-timeout',
  'cancelled',
]
const PHASES = ['connect', 'headers', 'body'] as const

/**
 * An outcome that a door reports. A latency that is not a number would spoil the upstream's estimate for good.
 * @throws InvalidOptionsError
 */
export function checkOutcome(given: Outcome): Outcome {
  if (isPlainResponse(given)) return given
  if (typeof given !== 'object' || given === null)
    throw new InvalidOptionsError('outcome', given, 'an object with a kind')
  switch (checkOneOf('outcome.kind', given.kind, KINDS)) {
    case 'response': {
      const { status, latencyMs, retryAfterMs, classified, part } = given as Outcome & { kind: 'response' }
      checkNumber('outcome.status', status, { min: 0, max: 999, integer: true })
      checkLatency(latencyMs)
      if (retryAfterMs !== undefined)
        checkNumber('outcome.retryAfterMs', retryAfterMs, { min: 0, unit: 'ms' })
      // The report of a lease is the only one.
      if (part !== undefined) throw new InvalidOptionsError('outcome.part', part, 'nothing: report it once')
      if (classified !== undefined) checkClassification('outcome.classified', classified)
      break
    }
    case 'timeout': {
      const { phase, latencyMs, error } = given as Outcome & { kind: 'timeout' }
      checkOneOf('outcome.phase', phase, PHASES)
      checkLatency(latencyMs)
      checkError(error)
      break
    }
    case 'cancelled':
      checkLatency((given as Outcome & { kind: 'cancelled' }).latencyMs)
      break
    case 'connect-error':
    case 'transport-error':
    case 'queue-timeout':
      checkError((given as Outcome & { kind: 'connect-error' }).error)
  }
  return given
}

/** Most outcomes are: one comparison each. */
function isPlainResponse(given: Outcome | null | undefined): boolean {
  if (given?.kind !== 'response') return false
  const { status, latencyMs, retryAfterMs, classified, part } = given
  return (
    Number.isInteger(status) &&
    status >= 0 &&
    status <= 999 &&
    Number.isFinite(latencyMs) &&
    latencyMs >= 0 &&
    retryAfterMs === undefined &&
    classified === undefined &&
    part === undefined
  )
}

function checkLatency(latencyMs: unknown): void {
  checkNumber('outcome.latencyMs', latencyMs, { min: 0, unit: 'ms' })
}

/** A test runner may bring errors of another realm, which are not instances of this one's `Error`. */
function checkError(error: unknown): void {
  if (typeof (error as Error | null | undefined)?.message !== 'string')
    throw new InvalidOptionsError('outcome.error', error, 'an Error')
}

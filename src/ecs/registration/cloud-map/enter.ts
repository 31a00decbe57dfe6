import { randomUUID } from 'node:crypto'
import { sleep } from '../../../core/clock.ts'
import { sdkFailure } from '../../../discovery/cloud-map/error.ts'
import { RegistrationError } from '../errors.ts'
import type { InputOf, OutputOf, ServiceCalls } from './calls.ts'
import { hasAll, readInstance, type Candidate } from './look.ts'
import { change, duplicateOf, endOf, type Ending } from './operation.ts'

/** A registration whose operation may not be looked at counts as done after it. */
const UNSEEN_MS = 10_000

/** Of one registration. */
export interface EnterOptions {
  readonly registerMs: number
  readonly operationMs: number
  /** Sends RegisterInstance, and knows that it is under way. */
  readonly send: (input: InputOf<'RegisterInstance'>) => Promise<OutputOf<'RegisterInstance'>>
}

/**
 * RegisterInstance, followed to its end.
 * @throws RegistrationError, or the signal's reason
 */
export async function enter(candidate: Candidate, options: EnterOptions): Promise<void> {
  const { calls } = candidate
  const { operationMs } = options
  const ending = await change(
    calls,
    'RegisterInstance',
    () => submitRegistration(candidate, options),
    (operationId) => waitFor(calls, operationId, operationMs),
  )
  if (ending.kind !== 'unfinished') return
  const { operationId, error } = ending
  const why = error === undefined ? '' : ` (GetOperation fails: ${sdkFailure(error.cause).detail})`
  throw new RegistrationError(
    calls.service,
    'operation-failed',
    `operation ${operationId} of RegisterInstance did not end within ${operationMs} ms${why}`,
    { cause: error },
  )
}

/**
 * One CreatorRequestId for all tries: a request that came through although its answer did not is the same one when it
 * comes again.
 * @returns id of the operation; undefined: found registered already
 */
async function submitRegistration(
  candidate: Candidate,
  { registerMs, operationMs, send }: EnterOptions,
): Promise<string | undefined> {
  const { calls, serviceId: ServiceId, id: InstanceId, attributes } = candidate
  const { clock, signal } = calls.settings
  const input = { ServiceId, InstanceId, CreatorRequestId: randomUUID(), Attributes: { ...attributes } }
  const deadlineAt = clock.now() + registerMs
  for (let duplicates = 0; ; duplicates++) {
    try {
      const { OperationId } = await calls.retried('RegisterInstance', deadlineAt, () => send(input))
      return OperationId
    } catch (error) {
      signal?.throwIfAborted()
      const other = duplicateOf(error)
      if (other === undefined) throw error
      if (duplicates > 0)
        throw new RegistrationError(
          calls.service,
          'conflict',
          `another process works on instance ${InstanceId} (operation ${other})`,
          { cause: error },
        )
      // Another operation works on this id: ours, whose answer was lost, or that of another process.
      await waitFor(calls, other, operationMs)
      const found = await readInstance(candidate).catch(() => undefined)
      if (found !== undefined && hasAll(found, attributes)) return undefined
    }
  }
}

async function waitFor(calls: ServiceCalls, operationId: string, operationMs: number): Promise<Ending> {
  const { clock, signal } = calls.settings
  const ending = await endOf(calls, operationId, clock.now() + operationMs)
  if (ending.kind === 'unseen') await sleep(clock, Math.min(UNSEEN_MS, operationMs), signal)
  return ending
}

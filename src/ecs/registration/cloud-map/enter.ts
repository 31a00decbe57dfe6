import { randomUUID } from 'node:crypto'
import { sleep } from '../../../core/clock.ts'
import { sdkFailure } from '../../../discovery/cloud-map/error.ts'
import { RegistrationError } from '../errors.ts'
import type { Attributes } from './attributes.ts'
import { hasAll, readInstance } from './look.ts'
import { duplicateOf, endOf, failedOperation, retriesOf, type Ending, type Work } from './operation.ts'
import { withRetries } from './retries.ts'

/** A registration whose operation may not be looked at counts as done after it. */
const UNSEEN_MS = 10_000

/** Of one registration. */
export interface EnterOptions {
  readonly attributes: Attributes
  readonly registerMs: number
  readonly operationMs: number
  /** Sends RegisterInstance, and knows that it is under way. */
  readonly submit: <Output>(send: () => Promise<Output>) => Promise<Output>
}

/**
 * RegisterInstance, followed to its end. An operation that fails is repeated once.
 * @throws RegistrationError, or the signal's reason
 */
export async function enter(work: Work, options: EnterOptions): Promise<void> {
  const { calls } = work
  for (let failures = 0; ; failures++) {
    const operationId = await submitRegistration(work, options)
    if (operationId === undefined) return
    const ending = await waitFor(work, operationId, options.operationMs)
    switch (ending.kind) {
      case 'success':
      case 'unseen':
        return
      case 'fail': {
        const error = failedOperation(calls.service, 'RegisterInstance', operationId, ending)
        if (failures > 0) throw error
        work.onRetry('RegisterInstance', error, 1, 0)
        break
      }
      case 'unfinished': {
        const { error } = ending
        const why = error === undefined ? '' : ` (GetOperation fails: ${sdkFailure(error.cause).detail})`
        throw new RegistrationError(
          calls.service,
          'operation-failed',
          `operation ${operationId} of RegisterInstance did not end within ${options.operationMs} ms${why}`,
          { cause: error },
        )
      }
    }
  }
}

/**
 * One CreatorRequestId for all tries: a request that came through although its answer did not is the same one when it
 * comes again.
 * @returns id of the operation; undefined: found registered already
 */
async function submitRegistration(work: Work, options: EnterOptions): Promise<string | undefined> {
  const { attributes, registerMs, operationMs, submit } = options
  const { calls, serviceId: ServiceId, id: InstanceId, clock, signal } = work
  const input = { ServiceId, InstanceId, CreatorRequestId: randomUUID(), Attributes: { ...attributes } }
  const retries = retriesOf(work, 'RegisterInstance', clock.now() + registerMs)
  const register = (): Promise<string | undefined> =>
    withRetries(retries, async () => (await submit(() => calls.call('RegisterInstance', input))).OperationId)
  try {
    return await register()
  } catch (error) {
    signal?.throwIfAborted()
    const other = duplicateOf(error)
    if (other === undefined) throw error
    // Another operation works on this id: ours, whose answer was lost, or that of another process.
    await waitFor(work, other, operationMs)
    const found = await readInstance(calls, ServiceId, InstanceId, signal).catch(() => undefined)
    if (found !== undefined && hasAll(found, attributes)) return undefined
  }
  try {
    return await register()
  } catch (error) {
    const other = duplicateOf(error)
    if (other === undefined) throw error
    throw new RegistrationError(
      calls.service,
      'conflict',
      `another process works on instance ${InstanceId} (operation ${other})`,
      { cause: error },
    )
  }
}

async function waitFor(work: Work, operationId: string, operationMs: number): Promise<Ending> {
  const { clock, signal } = work
  const ending = await endOf(work, operationId, clock.now() + operationMs)
  if (ending.kind === 'unseen') await sleep(clock, Math.min(UNSEEN_MS, operationMs), signal)
  return ending
}

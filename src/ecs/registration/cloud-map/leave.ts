import { awsName, isRetriable } from '../errors.ts'
import { duplicateOf, endOf, failedOperation, isNotYet, retriesOf, type Work } from './operation.ts'
import { withRetries } from './retries.ts'

/**
 * DeregisterInstance, followed to its end or to a moment. An operation that fails is repeated once.
 * @param registeredAt when our last RegisterInstance was sent, on the clock
 * @returns `done`: gone; `accepted`: Cloud Map has taken the request, and not confirmed it in time
 * @throws RegistrationError: the instance may be left behind; or the signal's reason
 */
export async function leave(
  work: Work,
  deadlineAt: number,
  registeredAt: number = Number.NEGATIVE_INFINITY,
): Promise<'done' | 'accepted'> {
  const { calls } = work
  for (let failures = 0; ; failures++) {
    const operationId = await submitDeregistration(work, deadlineAt, registeredAt)
    if (operationId === undefined) return 'done'
    const ending = await endOf(work, operationId, deadlineAt)
    switch (ending.kind) {
      case 'success':
        return 'done'
      case 'unseen':
      case 'unfinished':
        return 'accepted'
      case 'fail': {
        const error = failedOperation(calls.service, 'DeregisterInstance', operationId, ending)
        if (failures > 0) throw error
        work.onRetry('DeregisterInstance', error, 1, 0)
        break
      }
    }
  }
}

/** @returns id of the operation; undefined: there is no such instance */
function submitDeregistration(
  work: Work,
  deadlineAt: number,
  registeredAt: number,
): Promise<string | undefined> {
  const { calls, serviceId: ServiceId, id: InstanceId, clock } = work
  const isUnknown = (error: unknown): boolean => awsName(error) === 'InstanceNotFound'
  const isNew = (): boolean => isNotYet(clock.now(), registeredAt)
  const mayRetry = (error: unknown): boolean =>
    (isUnknown(error) && isNew()) || duplicateOf(error) !== undefined || isRetriable(error)
  return withRetries({ ...retriesOf(work, 'DeregisterInstance', deadlineAt), mayRetry }, async () => {
    try {
      const input = { ServiceId, InstanceId }
      const { OperationId } = await calls.call('DeregisterInstance', input, undefined, deadlineAt)
      return OperationId
    } catch (error) {
      if (awsName(error) === 'ServiceNotFound' || (isUnknown(error) && !isNew())) return undefined
      const other = duplicateOf(error)
      if (other === undefined) throw error
      const ending = await endOf(work, other, deadlineAt)
      if (ending.kind === 'success' && ending.type === 'DEREGISTER_INSTANCE') return undefined
      throw error
    }
  })
}

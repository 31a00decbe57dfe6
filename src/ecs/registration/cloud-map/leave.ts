import { awsName, isDenied, isRetriable } from '../errors.ts'
import { reportLost, reportOrphan, type Registered } from './look.ts'
import { change, duplicateOf, endOf, isNotYet, type Target } from './operation.ts'

/** The task waits for it to be registered. */
const ORPHAN_LIMIT_MS = 10_000

/**
 * DeregisterInstance, followed to its end or to a moment.
 * @param registeredAt when our last RegisterInstance was sent, on the clock
 * @returns `done`: gone; `accepted`: Cloud Map has taken the request, and not confirmed it in time
 * @throws RegistrationError: the instance may be left behind; or the signal's reason
 */
export async function leave(
  target: Target,
  deadlineAt: number,
  registeredAt?: number,
): Promise<'done' | 'accepted'> {
  const { calls } = target
  const submit = (): Promise<string | undefined> => submitDeregistration(target, deadlineAt, registeredAt)
  const { kind } = await change(calls, 'DeregisterInstance', submit, (id) => endOf(calls, id, deadlineAt))
  return kind === 'success' ? 'done' : 'accepted'
}

/** @returns id of the operation; undefined: the instance is gone */
function submitDeregistration(
  { calls, serviceId: ServiceId, id: InstanceId }: Target,
  deadlineAt: number,
  registeredAt: number | undefined,
): Promise<string | undefined> {
  const isUnknown = (error: unknown): boolean => awsName(error) === 'InstanceNotFound'
  const isNew = (): boolean => isNotYet(calls.settings, registeredAt)
  const mayRetry = (error: unknown): boolean =>
    (isUnknown(error) && isNew()) || duplicateOf(error) !== undefined || isRetriable(error)
  const submit = async (): Promise<string | undefined> => {
    try {
      const { OperationId } = await calls.call('DeregisterInstance', { ServiceId, InstanceId }, deadlineAt)
      return OperationId
    } catch (error) {
      if (awsName(error) === 'ServiceNotFound' || (isUnknown(error) && !isNew())) return undefined
      const other = duplicateOf(error)
      if (other === undefined) throw error
      const ending = await endOf(calls, other, deadlineAt)
      if (ending.kind === 'success' && ending.type === 'DEREGISTER_INSTANCE') return undefined
      throw error
    }
  }
  return calls.retried('DeregisterInstance', deadlineAt, submit, mayRetry)
}

/**
 * Deregisters what a task that is gone has left at our address. Its callers reach this task, so that a failure is no
 * reason not to register: it is an event.
 * @throws the signal's reason
 */
export async function removeOrphan(target: Target, orphan: Registered): Promise<void> {
  const { calls } = target
  const { clock, signal } = calls.settings
  try {
    await leave({ ...target, id: orphan.id }, clock.now() + ORPHAN_LIMIT_MS)
    reportOrphan(calls.service, orphan)
  } catch (error) {
    signal?.throwIfAborted()
    if (isDenied(error))
      calls.reportDenied(error, `instance ${orphan.id}, which a killed task left at this address, stays`)
    else reportLost(calls.service, orphan, error as Error)
  }
}

import { sleep } from '../../../core/clock.ts'
import { awsName, isDenied, RegistrationError } from '../errors.ts'
import type { CallSettings, ServiceCalls } from './calls.ts'

/** One instance of one service. */
export interface Target {
  readonly calls: ServiceCalls
  readonly serviceId: string
  readonly id: string
}

/** How an operation of Cloud Map ended. */
export type Ending =
  | { readonly kind: 'success'; readonly type: string | undefined }
  | { readonly kind: 'fail'; readonly code: string; readonly message: string }
  /** GetOperation is denied. */
  | { readonly kind: 'unseen' }
  | { readonly kind: 'unfinished'; readonly operationId: string; readonly error: Error | undefined }

/** AWS's controllers poll every 2 to 3 s; most operations on instances end within the first second. */
const POLL_MS = [500, 1_000, 2_000]
/** For so long "InstanceNotFound" may mean that our own registration is not known everywhere yet. */
const NOT_YET_MS = 10_000

/**
 * Sends a change, and follows its operation. One that fails is repeated once.
 * @param submit returns the id of the operation; undefined: nothing is left to do
 * @throws what these throw; RegistrationError `operation-failed`
 */
export async function change(
  calls: ServiceCalls,
  name: 'RegisterInstance' | 'DeregisterInstance',
  submit: () => Promise<string | undefined>,
  follow: (operationId: string) => Promise<Ending>,
): Promise<Exclude<Ending, { kind: 'fail' }>> {
  for (let failures = 0; ; failures++) {
    const operationId = await submit()
    if (operationId === undefined) return { kind: 'success', type: undefined }
    const ending = await follow(operationId)
    if (ending.kind !== 'fail') return ending
    const { code, message } = ending
    const error = new RegistrationError(
      calls.service,
      'operation-failed',
      `operation ${operationId} of ${name} failed: ${code}, ${message}`,
      { operationError: code },
    )
    if (failures > 0) throw error
    calls.reportRetry(name, error)
  }
}

/** Polls GetOperation until the operation has ended, or the time is over. Polls that fail are repeated. */
export async function endOf(calls: ServiceCalls, operationId: string, deadlineAt: number): Promise<Ending> {
  const { clock, signal } = calls.settings
  let error: Error | undefined
  for (let polls = 0; ; polls++) {
    const waitMs = POLL_MS[Math.min(polls, POLL_MS.length - 1)] ?? 0
    if (clock.now() + waitMs > deadlineAt) return { kind: 'unfinished', operationId, error }
    await sleep(clock, waitMs, signal)
    try {
      const { Operation = {} } = await calls.call('GetOperation', { OperationId: operationId }, deadlineAt)
      const { Status, Type, ErrorCode = 'unknown', ErrorMessage = 'without a message' } = Operation
      if (Status === 'SUCCESS') return { kind: 'success', type: Type }
      if (Status === 'FAIL') return { kind: 'fail', code: ErrorCode, message: ErrorMessage }
      error = undefined
    } catch (cause) {
      signal?.throwIfAborted()
      if (isDenied(cause)) {
        calls.reportDenied(cause, 'operations are not followed to their end')
        return { kind: 'unseen' }
      }
      error = cause as Error
    }
  }
}

/**
 * Whether "InstanceNotFound" says nothing yet.
 * @param registeredAt when our last RegisterInstance was sent, on the clock; undefined: never
 */
export function isNotYet({ clock }: Pick<CallSettings, 'clock'>, registeredAt: number | undefined): boolean {
  return registeredAt !== undefined && clock.now() < registeredAt + NOT_YET_MS
}

/** Id of the operation that is in the way; undefined: none is. */
export function duplicateOf(error: unknown): string | undefined {
  if (awsName(error) !== 'DuplicateRequest') return undefined
  const { DuplicateOperationId } = ((error as Error).cause ?? {}) as { DuplicateOperationId?: string }
  return DuplicateOperationId ?? ''
}

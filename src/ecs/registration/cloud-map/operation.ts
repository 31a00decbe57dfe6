import { sleep, type Clock, type Random } from '../../../core/clock.ts'
import { awsName, isDenied, RegistrationError } from '../errors.ts'
import type { ServiceCalls } from './calls.ts'
import type { withRetries } from './retries.ts'

/** One instance of one service, and how to work on it. */
export interface Work {
  readonly calls: ServiceCalls
  readonly serviceId: string
  readonly id: string
  readonly clock: Clock
  readonly random: Random
  /** Ends waits and reads at once, and lets nothing new begin. A change that was sent is awaited [none]. */
  readonly signal?: AbortSignal | undefined
  readonly onRetry: (operation: string, error: Error, attempt: number, waitMs: number) => void
  /** Takes the error of a permission that is not needed, and what follows. */
  readonly onDenied: (error: Error, consequence: string) => void
}

/** How an operation of Cloud Map ended. */
export type Ending =
  | { readonly kind: 'success'; readonly type: string | undefined }
  | { readonly kind: 'fail'; readonly code: string; readonly message: string }
  /** GetOperation is denied. */
  | { readonly kind: 'unseen' }
  | { readonly kind: 'unfinished'; readonly error: Error | undefined }

/** AWS's controllers poll every 2 to 3 s; most operations on instances end within the first second. */
const POLL_MS = [500, 1_000, 2_000]
/** For so long "InstanceNotFound" may mean that our own registration is not known everywhere yet. */
const NOT_YET_MS = 10_000

/** Polls GetOperation until the operation has ended, or the time is over. Polls that fail are repeated. */
export async function endOf(work: Work, OperationId: string, deadlineAt: number): Promise<Ending> {
  const { calls, clock, signal } = work
  let error: Error | undefined
  for (let polls = 0; ; polls++) {
    const waitMs = POLL_MS[Math.min(polls, POLL_MS.length - 1)] ?? 0
    if (clock.now() + waitMs > deadlineAt) return { kind: 'unfinished', error }
    await sleep(clock, waitMs, signal)
    try {
      const { Operation = {} } = await calls.call('GetOperation', { OperationId }, signal, deadlineAt)
      const { Status, Type, ErrorCode = 'unknown', ErrorMessage = 'without a message' } = Operation
      if (Status === 'SUCCESS') return { kind: 'success', type: Type }
      if (Status === 'FAIL') return { kind: 'fail', code: ErrorCode, message: ErrorMessage }
      error = undefined
    } catch (cause) {
      signal?.throwIfAborted()
      if (isDenied(cause)) {
        work.onDenied(cause, 'operations are not followed to their end')
        return { kind: 'unseen' }
      }
      error = cause as Error
    }
  }
}

/** Whether "InstanceNotFound" says nothing yet. */
export function isNotYet(now: number, registeredAt: number): boolean {
  return now < registeredAt + NOT_YET_MS
}

/** For `withRetries`. */
export function retriesOf(
  work: Work,
  operation: string,
  deadlineAt: number,
): Parameters<typeof withRetries>[0] {
  const { clock, random, signal, onRetry } = work
  return {
    clock,
    random,
    deadlineAt,
    signal,
    onRetry: (error, attempt, waitMs) => onRetry(operation, error, attempt, waitMs),
  }
}

/** Id of the operation that is in the way; undefined: none is. */
export function duplicateOf(error: unknown): string | undefined {
  if (awsName(error) !== 'DuplicateRequest') return undefined
  const { DuplicateOperationId } = ((error as Error).cause ?? {}) as { DuplicateOperationId?: string }
  return DuplicateOperationId ?? ''
}

/** The error of an operation that ended in FAIL. */
export function failedOperation(
  service: string,
  operation: string,
  id: string,
  { code, message }: Extract<Ending, { kind: 'fail' }>,
): RegistrationError {
  return new RegistrationError(
    service,
    'operation-failed',
    `operation ${id} of ${operation} failed: ${code}, ${message}`,
    { operationError: code },
  )
}

/** The two operations that change Cloud Map, followed to their end. */
import { randomUUID } from 'node:crypto'
import { sleep, type Clock, type Random } from '../../core/clock.ts'
import type { Attributes } from './attributes.ts'
import type { ServiceCalls } from './calls.ts'
import { awsName, isRetriable, RegistrationError } from './errors.ts'
import { isDenied, readInstance } from './look.ts'
import { withRetries } from './retries.ts'

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
type Ending =
  | { readonly kind: 'success'; readonly type: string | undefined }
  | { readonly kind: 'fail'; readonly code: string; readonly message: string }
  /** GetOperation is denied. */
  | { readonly kind: 'unseen' }
  | { readonly kind: 'unfinished'; readonly error: Error | undefined }

/** AWS's controllers poll every 2 to 3 s; most operations of ours end within the first second. */
const POLL_MS = [500, 1_000, 2_000]
/** What an operation that may not be looked at is given. */
const UNSEEN_MS = 10_000
/** For so long "InstanceNotFound" may mean that our own registration is not known everywhere yet. */
const NOT_YET_MS = 10_000

/** Whether "InstanceNotFound" says nothing yet. */
export function isNotYet(now: number, registeredAt: number): boolean {
  return now < registeredAt + NOT_YET_MS
}

async function endOf(work: Work, OperationId: string, deadlineAt: number): Promise<Ending> {
  const { calls, clock, signal } = work
  let error: Error | undefined
  for (let polls = 0; ; polls++) {
    const waitMs = POLL_MS[Math.min(polls, POLL_MS.length - 1)] ?? 0
    if (clock.now() + waitMs > deadlineAt) return { kind: 'unfinished', error }
    await sleep(clock, waitMs, signal)
    try {
      const { Operation = {} } = await calls.call('GetOperation', { OperationId }, signal, deadlineAt)
      if (Operation.Status === 'SUCCESS') return { kind: 'success', type: Operation.Type }
      if (Operation.Status === 'FAIL')
        return {
          kind: 'fail',
          code: Operation.ErrorCode ?? 'unknown',
          message: Operation.ErrorMessage ?? 'without a message',
        }
      error = undefined
    } catch (cause) {
      signal?.throwIfAborted()
      if (isDenied(cause)) {
        work.onDenied(cause, `operations count as done after ${UNSEEN_MS} ms`)
        await sleep(clock, Math.max(0, Math.min(UNSEEN_MS, deadlineAt - clock.now())), signal)
        return { kind: 'unseen' }
      }
      error = cause as Error
    }
  }
}

/** Of one registration. */
export interface EnterOptions {
  readonly attributes: Attributes
  readonly registerMs: number
  readonly operationMs: number
  /** Sends RegisterInstance, and knows that it is under way. */
  readonly submit: <Output>(send: () => Promise<Output>) => Promise<Output>
}

/**
 * Registers. One CreatorRequestId for all tries of a registration: a request that came through although its answer did
 * not is the same one when it comes again.
 * @throws RegistrationError, or the signal's reason
 */
export async function enter(work: Work, options: EnterOptions): Promise<void> {
  const { clock, calls } = work
  for (let failures = 0; ; failures++) {
    const operationId = await submitRegistration(work, options, randomUUID())
    if (operationId === undefined) return
    const ending = await endOf(work, operationId, clock.now() + options.operationMs)
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
      case 'unfinished':
        throw new RegistrationError(
          calls.service,
          'operation-failed',
          `operation ${operationId} of RegisterInstance did not end within ${options.operationMs} ms`,
          { cause: ending.error },
        )
    }
  }
}

/** @returns id of the operation; undefined: found registered already */
async function submitRegistration(
  work: Work,
  { attributes, registerMs, operationMs, submit }: EnterOptions,
  CreatorRequestId: string,
): Promise<string | undefined> {
  const { calls, serviceId: ServiceId, id: InstanceId, clock, signal } = work
  const input = { ServiceId, InstanceId, CreatorRequestId, Attributes: { ...attributes } }
  const retries = retriesOf(work, 'RegisterInstance', clock.now() + registerMs)
  const register = (): Promise<string | undefined> =>
    withRetries(retries, async () => (await submit(() => calls.call('RegisterInstance', input))).OperationId)
  try {
    return await register()
  } catch (error) {
    signal?.throwIfAborted()
    const other = duplicateOf(error)
    if (other === undefined) throw error
    // Another operation works on this id: ours, whose answer was lost, or that of a twin.
    await endOf(work, other, clock.now() + operationMs)
    const found = await readInstance(calls, ServiceId, InstanceId, signal).catch(() => undefined)
    if (found !== undefined && hasAll(found, attributes)) return undefined
  }
  try {
    return await register()
  } catch (error) {
    if (duplicateOf(error) === undefined) throw error
    throw new RegistrationError(
      calls.service,
      'conflict',
      `another process works on instance ${InstanceId} (operation ${duplicateOf(error)})`,
      { cause: error },
    )
  }
}

/**
 * Deregisters, until a moment.
 * @param registeredAt when our last RegisterInstance was sent, on the clock
 * @returns `done`: gone; `accepted`: Cloud Map has taken the request, and not confirmed it in time
 * @throws RegistrationError: it is left behind; or the signal's reason
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
async function submitDeregistration(
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

function retriesOf(work: Work, operation: string, deadlineAt: number): Parameters<typeof withRetries>[0] {
  const { clock, random, signal, onRetry } = work
  return {
    clock,
    random,
    deadlineAt,
    signal,
    onRetry: (error, attempt, waitMs) => onRetry(operation, error, attempt, waitMs),
  }
}

/** Id of the operation that is in the way. */
function duplicateOf(error: unknown): string | undefined {
  if (awsName(error) !== 'DuplicateRequest') return undefined
  const { DuplicateOperationId } = ((error as Error).cause ?? {}) as { DuplicateOperationId?: string }
  return DuplicateOperationId ?? ''
}

/** Whether an instance has what we registered; others may have added attributes. */
export function hasAll(found: Attributes, wanted: Attributes): boolean {
  return Object.entries(wanted).every(([key, value]) => found[key] === value)
}

function failedOperation(
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

import { Agent, request } from 'undici'
import { fullJitter } from '../../core/async/jitter.ts'
import { inTime } from '../../core/async/with-timeout.ts'
import { reasonOf } from '../../core/errors.ts'
import { withRetries } from '../retries.ts'
import { ProtectionError, type ProtectionFailure } from './errors.ts'
import type { ProtectionSettings } from './options.ts'

const RETRY_BASE_MS = 200
const MAX_RETRY_MS = 2_000
const MAX_SHOWN = 200

/**
 * Asks the agent to protect the task, or not to; again, as long as there is time and asking again may help.
 * @throws ProtectionError
 */
export async function putState(settings: ProtectionSettings, isProtected: boolean): Promise<void> {
  const { uri, clock, random, timeoutMs, minutes } = settings
  if (uri === undefined)
    throw new ProtectionError(
      'not-on-ecs',
      'ECS_AGENT_URI is not set: this process does not run in an ECS task',
    )
  const body = { ProtectionEnabled: isProtected, ...(isProtected && { ExpiresInMinutes: minutes }) }
  const deadlineAt = clock.now() + timeoutMs
  const late = (): Error => new ProtectionError('outage', `no answer from ${uri} in ${timeoutMs} ms`)
  await withRetries(
    {
      ...{ clock, deadlineAt },
      mayRetry: (error) => ['throttled', 'outage'].includes((error as ProtectionError).failure),
      waitMs: (attempt) => fullJitter(attempt, RETRY_BASE_MS, MAX_RETRY_MS, random, 0.5),
    },
    () => inTime({ clock, limitMs: deadlineAt - clock.now(), late }, (signal) => ask(uri, body, signal)),
  )
}

async function ask(uri: string, wanted: AskedState, signal: AbortSignal): Promise<void> {
  // Of its own: not the process-wide dispatcher, which may be a mock or a client of discovered services.
  const agent = new Agent()
  let status: number
  let text: string
  try {
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify(wanted)
    const response = await request(uri, { dispatcher: agent, method: 'PUT', body, headers, signal })
    status = response.statusCode
    text = await response.body.text()
  } catch (error) {
    throw new ProtectionError('outage', `${uri}: ${reasonOf(error)}`, error)
  } finally {
    await agent.destroy()
  }
  const failure = failureOf(status, text, wanted)
  if (failure !== undefined) throw failure
}

interface AskedState {
  readonly ProtectionEnabled: boolean
  readonly ExpiresInMinutes?: number
}

interface AgentAnswer {
  readonly protection?: { readonly ProtectionEnabled?: boolean } | null
  /** ECS refused, with status 200. */
  readonly failure?: {
    readonly Reason?: string
    readonly Detail?: string | null
    readonly Arn?: string
  } | null
  readonly error?: { readonly Code?: string; readonly Message?: string; readonly Arn?: string } | null
}

/** By `Reason` of an answer with status 200. */
const REASONS: Readonly<Record<string, readonly [ProtectionFailure, advice: string]>> = {
  TASK_NOT_VALID: ['no-service', 'only tasks of a service can be protected, and this one is in none'],
  DEPLOYMENT_BLOCKED: [
    'blocked',
    'tasks that are protected hold a deployment back; ECS protects no more until it goes on',
  ],
}

function failureOf(
  status: number,
  text: string,
  { ProtectionEnabled: wanted }: AskedState,
): ProtectionError | undefined {
  const answer = parse(text)
  if (answer?.failure) {
    const { Reason = 'no reason', Detail, Arn = 'this task' } = answer.failure
    const [failure, advice] = REASONS[Reason] ?? ['outage', Detail ?? 'ECS does not say why']
    return new ProtectionError(failure, `${Reason} for ${Arn}: ${advice}`)
  }
  if (status === 200 && answer?.protection) {
    const { ProtectionEnabled = wanted } = answer.protection
    if (ProtectionEnabled === wanted) return undefined
    return new ProtectionError('outage', `asked for ${wanted}, and ProtectionEnabled is ${ProtectionEnabled}`)
  }
  const { Code = '', Message = text.slice(0, MAX_SHOWN), Arn = '*' } = answer?.error ?? {}
  const said = `status ${status} ${Code} ${Message}`.replaceAll(/\s+/g, ' ').trim()
  if (status === 403 || Code === 'AccessDeniedException')
    return new ProtectionError(
      'denied',
      `the task role must allow ecs:UpdateTaskProtection on ${Arn} (${said})`,
    )
  if (status === 429 || Code === 'ThrottlingException') return new ProtectionError('throttled', said)
  return new ProtectionError('outage', said)
}

function parse(text: string): AgentAnswer | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

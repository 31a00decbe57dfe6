import pRetry from 'p-retry'
import { Agent, request } from 'undici'
import { checkKeys, checkMs, checkNumber, checkPort, given } from '../core/check.ts'
import { sleep, systemClock, type Clock } from '../core/clock.ts'
import { InvalidOptionsError, reasonOf } from '../core/errors.ts'
import { MetadataInvalidError, MetadataUnavailableError, NotOnEcsError } from './errors.ts'
import { readTask, type Document, type Task } from './task.ts'

export interface SelfOptions {
  /** Where the endpoint's address and `PORT` are [`process.env`]. */
  readonly env: Readonly<Record<string, string | undefined>>
  /** What this container listens on [`PORT`, else unknown]. */
  readonly port: number
  /** For one try, in ms [1000]. */
  readonly timeoutMs: number
  /** Tries in all [10: with the waits between them, about 9 s of refusals]. */
  readonly attempts: number
  /** Gives up at once, with its reason. */
  readonly signal: AbortSignal
  /** [the system's] */
  readonly clock: Clock
}

/** Waits 100, 200, 400, 800, 1,000, 1,000 ... ms between tries: the agent is up within seconds, or not at all. */
const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 1_000

/**
 * Who and where this task is, from the task metadata endpoint (version 4, or 3 where there is no 4).
 *
 * Early in a task's life the endpoint may refuse connections, or know no address yet: then it is asked again. A
 * task counts as known when its container has an address; its status says RUNNING only later.
 *
 * @throws NotOnEcsError at once, where there is no such endpoint
 * @throws MetadataUnavailableError when it still does not tell after all tries
 * @throws MetadataInvalidError at once, when what it tells is not metadata
 * @throws InvalidOptionsError for options, or a `PORT`, that are not allowed
 */
export async function self(options: Partial<SelfOptions> = {}): Promise<Task> {
  checkKeys('', options, ['env', 'port', 'timeoutMs', 'attempts', 'signal', 'clock'])
  const { env = process.env, signal, clock = systemClock } = options
  const timeoutMs = given('timeoutMs', options.timeoutMs, 1_000, (path, value) => checkMs(path, value, 1))
  const attempts = given('attempts', options.attempts, 10, (path, value) =>
    checkNumber(path, value, { min: 1, max: 1_000, integer: true }),
  )
  const port = given('port', options.port, portFrom(env), checkPort)
  const { uri, version } = endpointFrom(env)
  // Of its own: not the process-wide dispatcher, which may be one that waits for what is asked for here.
  const agent = new Agent()
  const fetchTask = async (): Promise<Task> => {
    const get = (path: string): Promise<Document> =>
      fetchDocument(uri + path, { agent, timeoutMs, signal, clock })
    const [container, task] = await Promise.all([get(''), get('/task')])
    const found = readTask(container, task, version, port)
    if (found === undefined) throw new MetadataUnavailableError(uri, 'the container has no address yet')
    return found
  }
  try {
    return await pRetry(fetchTask, {
      retries: attempts - 1,
      minTimeout: 0,
      ...(signal === undefined ? {} : { signal }),
      async shouldRetry({ error, attemptNumber }) {
        if (!(error instanceof MetadataUnavailableError)) return false
        await sleep(clock, Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (attemptNumber - 1)), signal)
        return true
      },
    })
  } finally {
    await agent.destroy()
  }
}

function endpointFrom(env: SelfOptions['env']): { uri: string; version: 3 | 4 } {
  const v4 = env['ECS_CONTAINER_METADATA_URI_V4']
  if (v4 !== undefined && v4 !== '') return { uri: v4, version: 4 }
  const v3 = env['ECS_CONTAINER_METADATA_URI']
  if (v3 !== undefined && v3 !== '') return { uri: v3, version: 3 }
  throw new NotOnEcsError()
}

function portFrom(env: SelfOptions['env']): number | undefined {
  const text = env['PORT']
  if (text === undefined || text === '') return undefined
  if (!/^\d+$/.test(text)) throw new InvalidOptionsError('PORT', text, 'an integer from 1 to 65535')
  return checkPort('PORT', Number(text))
}

interface Fetching {
  readonly agent: Agent
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
  readonly clock: Clock
}

async function fetchDocument(uri: string, { agent, timeoutMs, signal, clock }: Fetching): Promise<Document> {
  const late = new MetadataUnavailableError(uri, `no answer in ${timeoutMs} ms`)
  const limit = new AbortController()
  const timer = clock.setTimer(() => limit.abort(late), timeoutMs)
  const either = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal])
  try {
    const { statusCode, body } = await request(uri, { dispatcher: agent, signal: either })
    const text = await body.text()
    // Errors come as a JSON string, e.g. "V4 task metadata handler: unable to get task".
    if (statusCode !== 200)
      throw new MetadataUnavailableError(uri, `status ${statusCode}: ${text.slice(0, 200)}`)
    return { uri, body: parse(uri, text) }
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof MetadataUnavailableError || error instanceof MetadataInvalidError) throw error
    throw new MetadataUnavailableError(uri, reasonOf(error), error)
  } finally {
    timer.cancel()
  }
}

function parse(uri: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new MetadataInvalidError(uri, `the answer is not JSON: ${JSON.stringify(text.slice(0, 80))}`, error)
  }
}

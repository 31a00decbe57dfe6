import { Socket } from 'node:net'
import { Agent, buildConnector, request } from 'undici'
import { sleep } from '../../core/clock.ts'
import { reasonOf } from '../../core/errors.ts'
import { MetadataInvalidError, MetadataUnavailableError } from './errors.ts'
import type { SelfSettings } from './options.ts'

/** What was fetched: the URI for error messages, and the JSON behind it. */
export interface Document {
  readonly uri: string
  readonly body: unknown
}

/**
 * One try: the documents of this container and of its task, side by side and within one time limit. Nothing of it
 * is left when it settles: neither connections, made or in the making, nor timers.
 *
 * @throws MetadataUnavailableError, MetadataInvalidError, or the signal's reason as soon as it aborts
 */
export async function fetchMetadata(
  settings: Pick<SelfSettings, 'uri' | 'timeoutMs' | 'signal' | 'clock'>,
): Promise<readonly [container: Document, task: Document]> {
  const { uri, timeoutMs, signal, clock } = settings
  const over = new AbortController()
  const end = signal === undefined ? over.signal : AbortSignal.any([signal, over.signal])
  // Raced, because undici hears of an abort only once it is connected: to a silent address that takes 10 s.
  const limit = sleep(clock, timeoutMs, end).then(() => {
    throw new MetadataUnavailableError(uri, `no answer in ${timeoutMs} ms`)
  })
  // Of its own: not the process-wide dispatcher, which may be one that waits for what is asked for here.
  const agent = new Agent({ connect: connectorFor(end) })
  try {
    return await Promise.race([
      Promise.all([fetchDocument(uri, agent, end), fetchDocument(`${uri}/task`, agent, end)]),
      limit,
    ])
  } finally {
    over.abort()
    await agent.destroy()
  }
}

/**
 * Its sockets do not keep the process alive: the timer of the caller that waits does.
 * @param signal ends connections in the making, which `destroy()` of the agent leaves alone
 */
function connectorFor(signal: AbortSignal): buildConnector.connector {
  // undici hands the options on to `net.connect`, whose types do not list all of them.
  const connector = buildConnector({ signal } as buildConnector.BuildOptions)
  return (target, callback) => {
    const socket: unknown = connector(target, callback)
    if (socket instanceof Socket) socket.unref()
  }
}

async function fetchDocument(uri: string, agent: Agent, signal: AbortSignal): Promise<Document> {
  let text: string
  let statusCode: number
  try {
    const response = await request(uri, { dispatcher: agent, signal })
    statusCode = response.statusCode
    text = await response.body.text()
  } catch (error) {
    throw new MetadataUnavailableError(uri, reasonOf(error), error)
  }
  // Errors come as a JSON string, e.g. "V4 task metadata handler: unable to get task".
  if (statusCode !== 200)
    throw new MetadataUnavailableError(uri, `status ${statusCode}: ${text.slice(0, 200)}`)
  return { uri, body: parse(uri, text) }
}

function parse(uri: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new MetadataInvalidError(uri, `the answer is not JSON: ${JSON.stringify(text.slice(0, 80))}`, error)
  }
}

/**
 * A process with one mock of others: which calls it answers, what URL it sees, and whether other calls pass. Prints JSON.
 * The parent starts it, since mocks replace what the whole process uses.
 */
import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { startTask } from './task.ts'
import { MOCKS, type Mock } from './mocks.ts'

/** What came of one way to call. `mock` or `task` answered, or the error. */
export interface Seen {
  /** A path that the mock has an answer for. */
  readonly handled: string
  /** The URL that the mock saw. */
  readonly url?: string
  /** A path without an answer. */
  readonly unhandled: string
}

const [name = '', order = ''] = process.argv.slice(2)
const start = MOCKS[name] as Mock
const task = await startTask()
const early = order === 'before' ? await start(task.address) : undefined
const { createClient, staticResolver } = await import('onehop')
const { OnehopHttpAgent } = await import('onehop/http')
const HOST = 'orders.shop.local'
/** The same server by a name that is not discovered: not an origin that other ways have a connection to. */
const OTHER = `localhost:${task.port}`
const client = createClient({
  services: { [HOST]: { retry: false } },
  discovery: staticResolver({ [HOST]: [task.address] }),
})
const mock = early ?? (await start(task.address))
const agent = new OnehopHttpAgent(client)
const { get } = process.getBuiltinModule('node:http')

function byAgent(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const answered = (response: IncomingMessage): void => void text(response).then(resolve, reject)
    get(url, { agent }, answered).on('error', reject)
  })
}

const WAYS: Readonly<Record<string, (path: string) => Promise<string>>> = {
  'client.fetch': async (path) => (await client.fetch(`http://${HOST}${path}`)).text(),
  'client.fetch(Request)': async (path) =>
    (await client.fetch(new Request(`http://${HOST}${path}`, { method: 'POST', body: 'a' }))).text(),
  'client.request': async (path) => (await client.request(`http://${HOST}${path}`)).body.text(),
  'client.fetch, another host': async (path) => (await client.fetch(`http://${OTHER}${path}`)).text(),
  OnehopHttpAgent: (path) => byAgent(`http://${HOST}${path}`),
  'global fetch': async (path) => (await fetch(`http://${task.address}${path}`)).text(),
}

async function outcome(call: Promise<string>): Promise<string> {
  try {
    return await call
  } catch (error) {
    const { cause, message } = error as Error
    return cause instanceof Error ? cause.message : message
  }
}

const seen: Record<string, Seen> = {}
for (const [way, call] of Object.entries(WAYS)) {
  mock.urls.length = 0
  const handled = await outcome(call('/mocked'))
  const [url] = mock.urls
  const unhandled = await outcome(call('/other'))
  seen[way] = {
    handled,
    ...(url === undefined ? {} : { url: url.replace(task.address, 'TASK').replace(OTHER, 'OTHER') }),
    unhandled,
  }
}
mock.stop()
agent.destroy()
await client.close()
await task.close()
console.log(JSON.stringify(seen))

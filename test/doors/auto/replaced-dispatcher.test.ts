/** `setGlobalDispatcher` after onehop was installed: calls go past it, and one warning says so. */
import type { LookupFunction } from 'node:net'
import type { Client } from 'onehop'
import { install } from 'onehop/install'
import type * as Undici from 'undici'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { clientOf, ORIGIN } from '../../support/clients.ts'
import { resources } from '../../support/resources.ts'
import type { TestServer } from '../../support/servers.ts'
import { load } from './packages/load.ts'
import { APPS, World } from './world.ts'

const { keep, servers } = resources()
const CODE = 'ONEHOP_DISPATCHER_REPLACED'
const SYMBOLS = [1, 2].map((version) => Symbol.for(`undici.globalDispatcher.${version}`))

// Node loads its own undici with the first use, and npm's sets what it misses.
void globalThis.Headers
const copies = await Promise.all(
  ['undici6', 'undici7', 'undici8', 'undici'].map(
    async (name) => [name, await load<typeof Undici>(name)] as const,
  ),
)
const before = SYMBOLS.map((symbol) => Reflect.get(globalThis, symbol) as unknown)
const warnings: (Error & { code?: string })[] = []
const see = (warning: Error): unknown => warnings.push(warning)
let ends: Disposable

beforeEach(() => {
  warnings.length = 0
  process.on('warning', see)
})
afterEach(() => {
  ends[Symbol.dispose]()
  for (const [index, symbol] of SYMBOLS.entries()) Reflect.set(globalThis, symbol, before[index])
  process.off('warning', see)
})

/** A client with one task, which is installed, and an agent that finds the same task by a lookup of its own. */
async function world(undici: typeof Undici): Promise<{ client: Client; url: string; agent: Undici.Agent }> {
  const [task] = (await servers(1)) as [TestServer]
  const client = keep(clientOf([task]))
  ends = install(client)
  const lookup: LookupFunction = (_host, _options, callback) =>
    callback(null, [{ address: '127.0.1.1', family: 4 }])
  return { client, url: `${ORIGIN}:${task.port}/`, agent: new undici.Agent({ connect: { lookup } }) }
}

async function bodyOf(undici: typeof Undici, url: string, dispatcher?: Undici.Dispatcher): Promise<string> {
  const { body } = await undici.request(url, dispatcher === undefined ? {} : { dispatcher })
  return body.text()
}

/** Warnings are emitted in the next tick. */
async function codes(): Promise<(string | undefined)[]> {
  await new Promise(setImmediate)
  return warnings.map(({ code }) => code).filter((code) => code?.startsWith('ONEHOP_') === true)
}

describe.each(copies)('%s', (_name, undici) => {
  test('warns once when a connection to a discovered host goes past onehop', async () => {
    const { url, agent, client } = await world(undici)
    const ours = undici.getGlobalDispatcher()
    undici.setGlobalDispatcher(agent)
    expect(await codes()).toEqual([])
    await bodyOf(undici, url)
    expect(await codes()).toEqual([CODE])
    expect(warnings[0]?.message).toMatch(/orders\.shop\.local.*setGlobalDispatcher.*compose/)
    expect(client.inspect().services).toEqual({})
    undici.setGlobalDispatcher(ours)
    await bodyOf(undici, url)
    undici.setGlobalDispatcher(new undici.Agent())
    await bodyOf(undici, url).catch(() => undefined)
    expect(await codes()).toEqual([CODE])
    await agent.close()
  })

  test('warns where the name cannot even be resolved without onehop', async () => {
    const { url } = await world(undici)
    undici.setGlobalDispatcher(new undici.Agent())
    await expect(bodyOf(undici, url)).rejects.toThrow()
    expect(await codes()).toEqual([CODE])
  })

  test('says nothing of what is composed, put back, or mocked', async () => {
    const { url, agent } = await world(undici)
    const ours = undici.getGlobalDispatcher()
    undici.setGlobalDispatcher(ours.compose((dispatch) => (options, handler) => dispatch(options, handler)))
    await bodyOf(undici, url)
    // A dispatcher of the call's own is the caller's wish, also beside a composed one.
    await bodyOf(undici, url, agent)
    undici.setGlobalDispatcher(ours)
    await bodyOf(undici, url)
    const mocks = new undici.MockAgent()
    mocks.get(new URL(url).origin).intercept({ path: '/' }).reply(200, 'mocked')
    undici.setGlobalDispatcher(mocks)
    expect(await bodyOf(undici, url)).toBe('mocked')
    undici.setGlobalDispatcher(ours)
    await bodyOf(undici, url)
    expect(await codes()).toEqual([])
    await Promise.all([agent.close(), mocks.close()])
  })

  test('says nothing of other hosts, of calls through a client, and after onehop is disposed of', async () => {
    const { url, agent, client } = await world(undici)
    const [other] = (await servers(1)) as [TestServer]
    undici.setGlobalDispatcher(agent)
    await bodyOf(undici, `http://${other.label}/`)
    await (await client.fetch(url)).text()
    const refused = keep(clientOf(['127.0.1.200:1'], { retry: false }))
    await expect(refused.fetch(ORIGIN)).rejects.toThrow()
    ends[Symbol.dispose]()
    await bodyOf(undici, url)
    expect(await codes()).toEqual([])
    await agent.close()
  })
})

test('the built-in fetch, in a process with onehop/auto; a flag of Node silences it', async () => {
  const outside = keep(await World.start(1))
  const app = outside.file(
    'app.mjs',
    `import { Agent, setGlobalDispatcher } from '${APPS}node_modules/undici7/index.js'
     setGlobalDispatcher(new Agent())
     for (const _ of [1, 2]) await fetch(process.env.SERVICE_URL).catch(() => undefined)
     globalThis[Symbol.for('undici.globalDispatcher.2')] = new Agent()
     for (const _ of [1, 2]) await fetch(process.env.SERVICE_URL).catch(() => undefined)`,
  )
  const { stderr } = await outside.run([app])
  expect(stderr.split(`[${CODE}]`)).toHaveLength(2)
  const silenced = await outside.run([`--disable-warning=${CODE}`, app])
  expect(silenced.stderr).not.toContain(CODE)
  expect(silenced.code).toBe(0)
})

/**
 * What works in the runtime that runs this: a program of the tests, which copy it into a project that has the package.
 * Each check is by itself, so that one which fails or hangs says nothing of the others. The last line is JSON.
 *
 * @param process.argv[2] JSON of `Input` in runtimes.test.ts
 */
import { createRequire } from 'node:module'

const { aws, port, metadata, entries } = JSON.parse(process.argv[2])
const HOST = 'orders.shop.local'
const ORIGIN = `http://${HOST}/`
/** For a check that hangs: a busy machine takes seconds. */
const LIMIT_MS = 60_000
const told = {}

async function check(name, body) {
  let timer
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${LIMIT_MS} ms`)), LIMIT_MS)
  })
  try {
    await Promise.race([Promise.resolve().then(body), limit])
    told[name] = 'works'
  } catch (error) {
    const { message, cause } = error ?? {}
    told[name] = [message ?? String(error), cause?.message].filter(Boolean).join(': ').split('\n')[0]
  } finally {
    clearTimeout(timer)
  }
}

function equal(given, expected) {
  const [one, other] = [given, expected].map((value) => JSON.stringify(value))
  if (one !== other) throw new Error(`expected ${other}, got ${one}`)
}

/** A bundle has the modules in it, whose names are in `modules.mjs`; BUNDLED is its constant. */
const bundled = typeof BUNDLED === 'undefined' ? undefined : (await import('./modules.mjs')).moduleOf
const require = createRequire(import.meta.url)

for (const name of entries) {
  const isModule = (module) => equal(Object.keys(module).length > 0, true)
  await check(`import ${name}`, async () => isModule(await (bundled?.(name) ?? import(name))))
  if (bundled === undefined) await check(`require ${name}`, () => isModule(require(name)))
}

const { createClient, onEvent, staticResolver } = await import('onehop').catch(() => ({}))

/** A client for one check, and its end. */
async function withClient(options, body) {
  const client = createClient({ namespaces: ['shop.local'], allowLoopback: true, port, ...options })
  try {
    return await body(client)
  } finally {
    await client.close()
  }
}

const dns = { discovery: 'dns', dns: { servers: [aws.dns] } }
const api = { discovery: 'api', cloudMap: aws.cloudMap }
/** The first task refuses connections; the second answers. */
const tasks = staticResolver?.({ [HOST]: [`${aws.task}:${port}`] })
const halfGone = staticResolver?.({ [HOST]: [`127.0.1.77:${port}`, `${aws.task}:${port}`] })

await check('fetch', () =>
  withClient({ discovery: tasks }, async ({ fetch }) => {
    const response = await fetch(ORIGIN, { method: 'POST', body: 'hello' })
    equal(response.status, 200)
    await response.text()
  }),
)
await check('request', () =>
  withClient({ discovery: tasks }, async (client) => {
    const { statusCode, body } = await client.request(ORIGIN)
    equal(statusCode, 200)
    await body.text()
  }),
)
await check('discovery by DNS', () =>
  withClient(dns, async ({ fetch }) => equal((await fetch(ORIGIN)).status, 200)),
)
await check('discovery by the Cloud Map API', () =>
  withClient(api, async ({ fetch }) => equal((await fetch(ORIGIN)).status, 200)),
)
await check('retry after a refused connection, and events', () =>
  withClient({ discovery: halfGone }, async ({ fetch }) => {
    const ejected = []
    const end = onEvent('onehop:upstream.ejected', ({ upstream }) => ejected.push(upstream))
    for (let call = 0; call < 8; call++) equal((await fetch(ORIGIN)).status, 200)
    end()
    // Where the calls take longer than an ejection, a probe ejects it again.
    equal([...new Set(ejected)], [`127.0.1.77:${port}`])
  }),
)
await check('abort', () =>
  withClient({ discovery: tasks }, async ({ fetch }) => {
    const error = await fetch(ORIGIN, { signal: AbortSignal.abort() }).catch((reason) => reason)
    equal(error?.name, 'AbortError')
  }),
)
await check('global dispatcher under the built-in fetch', async () => {
  const { setGlobalDispatcher, getGlobalDispatcher } = await import('undici')
  const before = getGlobalDispatcher()
  await withClient({ discovery: tasks }, async (client) => {
    setGlobalDispatcher(client.dispatcher)
    const response = await fetch(ORIGIN).finally(() => setGlobalDispatcher(before))
    equal(response.status, 200)
  })
})
await check('onehop/http under node:http', async () => {
  const { OnehopHttpAgent } = await import('onehop/http')
  const { default: http } = await import('node:http')
  await withClient({ discovery: tasks }, async (client) => {
    const agent = new OnehopHttpAgent(client)
    const status = await new Promise((resolve, reject) => {
      http
        .get(ORIGIN, { agent }, (answer) => answer.resume().on('end', () => resolve(answer.statusCode)))
        .on('error', reject)
    })
    agent.destroy()
    equal(status, 200)
  })
})
await check('onehop/ecs: self()', async () => {
  const { self } = await import('onehop/ecs')
  equal((await self({ env: metadata })).family, 'orders')
})
await check('onehop/testing: local AWS and a fleet', async () => {
  const { startFleet, startLocalAws } = await import('onehop/testing')
  const local = await startLocalAws()
  const fleet = await startFleet({ tasks: 1 })
  const [task] = fleet.tasks
  local.addService(HOST)
  local.register(HOST, task.id, { ipv4: task.address, port: task.port })
  const options = { discovery: 'dns', dns: { servers: [local.dns.server] }, port: task.port }
  await withClient(options, async ({ fetch }) => equal((await fetch(ORIGIN)).status, 200))
  await fleet.close()
  await local.close()
})

console.log(JSON.stringify(told))

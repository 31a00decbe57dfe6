/** The package as its users get it: packed, installed into an empty folder, imported from ESM and CommonJS. */
import { mkdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, inject, test } from 'vitest'
import type { Report } from '../../benchmarks/discovery/report.ts'
import { entriesOf } from '../../scripts/entries.ts'
import { nodeOf } from '../support/processes/nodes.ts'
import { consumer, ENTRIES, root, run } from './consumer.ts'

const user = consumer({ peers: true })
const { exec, node, write } = user

const EXPORTS = ['createClient', 'dnsResolver', 'cloudMapResolver', 'staticResolver', 'p2c', 'roundRobin']

test('is imported from ESM, by name', async () => {
  const told = await node(
    'esm.js',
    `import * as onehop from 'onehop'
     import { register, self } from 'onehop/ecs'
     import { reaper } from 'onehop/ecs/reaper'
     import { OnehopHttpAgent, OnehopHttpsAgent } from 'onehop/http'
     import { startLocalAws, startFleet, manualClock } from 'onehop/testing'
     import meta from 'onehop/package.json' with { type: 'json' }
     console.log(JSON.stringify({
       names: Object.keys(onehop),
       others: [self, register, reaper, OnehopHttpAgent, OnehopHttpsAgent, startLocalAws, startFleet, manualClock].map((value) => typeof value),
       version: meta.version,
     }))`,
  )
  expect(told).toMatchObject({
    names: expect.arrayContaining(EXPORTS) as string[],
    others: Array<string>(8).fill('function'),
    version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
  })
})

test.each(ENTRIES)('%s is one module, by import and by require', async (name) => {
  const program = `
    const required = require('${name}')
    import('${name}').then((imported) =>
      console.log(JSON.stringify([Object.keys(required).sort(), Object.keys(imported).filter((key) => required[key] === imported[key]).sort()])))`
  const [required, same] = (await node('both.cjs', program)) as [string[], string[]]
  expect(same).toEqual(required)
})

test('onehop/otel needs the API of OpenTelemetry and not undici; other entries need neither', async () => {
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    const { observe, attemptAttributes } = await import('onehop/otel').catch(({ message }) => ({ observe: message }))
    const count = (pattern) => loaded.filter((url) => pattern.test(url)).length
    console.log(JSON.stringify({ observe: attemptAttributes ? typeof observe : observe, undici: count(/undici/) }))`
  expect(await node('otel.js', program)).toEqual({ observe: 'function', undici: 0 })
  const installed = join(user.folder, 'node_modules/@opentelemetry')
  await rename(installed, `${installed}-away`)
  expect(await node('otel-without.js', program)).toMatchObject({
    observe: expect.stringContaining("Cannot find package '@opentelemetry/api'") as string,
  })
  await rename(`${installed}-away`, installed)
})

test.each([
  [
    'grpc.cjs',
    `const grpc = require('@grpc/grpc-js')
     const { createClient } = require('onehop')
     const { registerCloudMap } = require('onehop/grpc')`,
  ],
  [
    'grpc.js',
    `import * as grpc from '@grpc/grpc-js'
     import { createClient } from 'onehop'
     import { registerCloudMap } from 'onehop/grpc'`,
  ],
])('onehop/grpc registers with the grpc-js of the app: %s', async (file, imports) => {
  const program = `${imports}
    const client = createClient({ namespaces: ['shop.local'] })
    registerCloudMap(client)
    const channel = new grpc.Client('cloudmap:///orders.shop.local:50051', grpc.credentials.createInsecure())
    console.log(JSON.stringify(channel.getChannel().getTarget()))
    channel.close()
    client.close()`
  expect(await node(file, program)).toBe('cloudmap:///orders.shop.local:50051')
})

test('onehop/grpc without grpc-js says what is missing', async () => {
  const installed = join(user.folder, 'node_modules/@grpc')
  await rename(installed, `${installed}-away`)
  const program = `import('onehop/grpc').catch(({ message }) => console.log(JSON.stringify(message)))`
  expect(await node('grpc-without.js', program)).toContain("Cannot find package '@grpc/grpc-js'")
  await rename(`${installed}-away`, installed)
})

test('an entry of another shape than the others stops the build, with the shape that it should have', async () => {
  const exports = {
    './odd': { 'onehop:source': './src/odd.ts', types: './dist/odd.d.ts', default: './dist/odd.js' },
  }
  await mkdir(join(user.folder, 'odd'))
  await write('odd/package.json', JSON.stringify({ name: 'onehop', exports }))
  expect(() => entriesOf(join(user.folder, 'odd'))).toThrow(
    /exports\["\.\/odd"\] in package\.json must be \{[^]*"require": \{[^]*"default": "\.\/dist\/odd\.cjs"/,
  )
})

test('is required from CommonJS', async () => {
  const told = await node(
    'cjs.cjs',
    `const { createClient } = require('onehop')
     const client = createClient({ namespaces: ['shop.local'] })
     client.close().then(() => console.log(JSON.stringify(typeof client.fetch)))`,
  )
  expect(told).toBe('function')
})

/** `onehop/otel` works on any Node that OpenTelemetry works on; `onehop/auto` says it when it is started. */
const CHECKED = ENTRIES.filter((name) => name !== 'onehop/otel' && name !== 'onehop/auto')

test('an older Node gets one sentence about the version, from each entry, by import and by require', async () => {
  await write(
    'older.cjs',
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.5' } })",
  )
  const told = await node(
    'old.cjs',
    `const messages = async () => {
       const found = []
       for (const name of ${JSON.stringify(CHECKED)}) {
         try { require(name) } catch ({ message }) { found.push(message) }
         await import(name).catch(({ message }) => found.push(message))
       }
       return found
     }
     messages().then((found) => console.log(JSON.stringify(found)))`,
    ['--require', './older.cjs'],
  )
  expect(told).toEqual(
    Array<string>(2 * CHECKED.length).fill('onehop needs Node 22.19 or later, and this is Node 20.19.5'),
  )
})

test('loads few files, and what only some need with its first use', async () => {
  const loaded = await node(
    'lazy.js',
    `import { registerHooks } from 'node:module'
     import 'undici'
     const loaded = []
     registerHooks({
       load(url, context, next) {
         if (url.startsWith('file:')) loaded.push(url)
         return next(url, context)
       },
     })
     const count = (pattern) => loaded.filter((url) => pattern.test(url)).length
     const { createClient } = await import('onehop')
     const atImport = { files: loaded.length, dns: count(/dns-packet/), retry: count(/p-retry/), aws: count(/@aws-sdk|@smithy/) }
     const options = { namespaces: ['shop.local'], timeouts: { deadlineMs: 60_000 } }
     const dns = createClient({ ...options, discovery: 'dns', dns: { servers: ['127.0.0.1:9'] } })
     await dns.resolve('orders.shop.local').catch(() => undefined)
     await dns.close()
     const withDns = count(/dns-packet/) > 0
     const withoutApi = count(/@aws-sdk|@smithy/)
     const api = createClient({
       ...options,
       discovery: 'api',
       cloudMap: { region: 'eu-west-1', endpoint: 'http://127.0.0.1:9', credentials: { accessKeyId: 'x', secretAccessKey: 'y' } },
     })
     await api.resolve('orders.shop.local').catch(() => undefined)
     await api.close()
     console.log(JSON.stringify({ atImport, withDns, withoutApi, withApi: count(/@aws-sdk/) > 0 }))`,
  )
  // Its own are the entry, what comes before undici, and what entries share; lru-cache is the other.
  expect(loaded).toEqual({
    atImport: { files: 4, dns: 0, retry: 0, aws: 0 },
    withDns: true,
    withoutApi: 0,
    withApi: true,
  })
})

test('onehop/ecs loads no SDK with its import, and onehop/ecs/reaper no undici either', async () => {
  const loaded = await node(
    'ecs-lazy.js',
    `import { registerHooks } from 'node:module'
     const loaded = []
     registerHooks({
       load(url, context, next) {
         if (url.startsWith('file:')) loaded.push(url)
         return next(url, context)
       },
     })
     const count = (pattern) => loaded.filter((url) => pattern.test(url)).length
     const { reaper } = await import('onehop/ecs/reaper')
     reaper({ services: 'srv-abc123' })
     const ofReaper = { undici: count(/node_modules.undici/), aws: count(/@aws-sdk|@smithy/) }
     await import('onehop/ecs')
     console.log(JSON.stringify({ ofReaper, aws: count(/@aws-sdk|@smithy/) }))`,
  )
  expect(loaded).toEqual({ ofReaper: { undici: 0, aws: 0 }, aws: 0 })
})

test('has one file for each entry, with the sources in its map, and traces that name them', async () => {
  const told = await node(
    'trace.js',
    `import { readFileSync } from 'node:fs'
     import { fileURLToPath } from 'node:url'
     import { createClient } from 'onehop'
     const file = fileURLToPath(import.meta.resolve('onehop'))
     const map = JSON.parse(readFileSync(file + '.map', 'utf8'))
     let stack
     try { createClient({ namespace: 1 }) } catch (error) { stack = error.stack }
     console.log(JSON.stringify({
       client: map.sourcesContent[map.sources.findIndex((source) => source.endsWith('src/client.ts'))],
       lines: readFileSync(file, 'utf8').split('\\n').length,
       stack,
     }))`,
    ['--enable-source-maps'],
  )
  const { client, lines, stack } = told as { client: string; lines: number; stack: string }
  expect(client).toContain('export function createClient(')
  // Readable without its map, too.
  expect(lines).toBeGreaterThan(1_000)
  expect(stack).toMatch(/settingsOf \(.*src\/config\/settings\.ts:\d+/)
})

test('classes are the same by every door', async () => {
  const told = await node(
    'same.js',
    `import { InvalidOptionsError, OnehopError } from 'onehop'
     import { NotOnEcsError, self } from 'onehop/ecs'
     import { startFleet } from 'onehop/testing'
     const told = [
       await self({ env: {} }).catch((error) => error instanceof NotOnEcsError && error instanceof OnehopError),
       await self({ attempts: -1 }).catch((error) => error instanceof InvalidOptionsError),
       await Promise.resolve().then(() => startFleet({ tasks: -1 })).catch((error) => error instanceof InvalidOptionsError),
     ]
     console.log(JSON.stringify(told))`,
  )
  expect(told).toEqual([true, true, true])
})

test('starts fleets of tasks in processes of their own', async () => {
  const told = await node(
    'fleet.js',
    `import { createClient } from 'onehop'
     import { startFleet, startLocalAws } from 'onehop/testing'
     const aws = await startLocalAws()
     const fleet = await startFleet({ tasks: 1, processes: true })
     const [{ id, address, port, pid }] = fleet.tasks
     aws.addService('orders.shop.local')
     aws.register('orders.shop.local', id, { ipv4: address, port })
     const client = createClient({
       namespaces: ['shop.local'],
       cloudMap: aws.cloudMap,
       dns: { servers: [aws.dns.server] },
       allowLoopback: true,
     })
     const { status } = await client.fetch('http://orders.shop.local/')
     await client.close()
     await fleet.close()
     await aws.close()
     console.log(JSON.stringify([status, pid !== process.pid]))`,
  )
  expect(told).toEqual([200, true])
})

test.each(['22', '24', '26'])('imports leave the global dispatcher, on Node %s', async (major) => {
  const program = nodeOf(major)
  for (const name of ENTRIES) {
    for (const load of [`await import('${name}')`, `createRequire(import.meta.url)('${name}')`]) {
      await write(
        'dispatcher.js',
        `import { createRequire } from 'node:module'
         const legacy = Symbol.for('undici.globalDispatcher.1')
         const before = globalThis[legacy]
         ${load}
         console.log(JSON.stringify([process.versions.node.split('.')[0], before === undefined, globalThis[legacy] === before]))`,
      )
      const stdout = await exec(program, ['dispatcher.js'])
      expect([name, load, JSON.parse(stdout)]).toEqual([name, load, [major, true, true]])
    }
  }
})

test('publint finds nothing to say', async () => {
  const { stdout } = await run(join(root, 'node_modules/.bin/publint'), [
    'run',
    inject('tarball'),
    '--strict',
  ])
  expect(stdout).toContain('All good!')
})

test('its types resolve in every mode of compilers, for ESM and for CommonJS, from each entry', async () => {
  // Exits non-zero for any problem.
  const attw = join(root, 'node_modules/.bin/attw')
  const { stdout } = await run(attw, [inject('tarball'), '--profile', 'strict', '--format', 'json'])
  const { analysis } = JSON.parse(stdout) as { analysis: { entrypoints: Record<string, unknown> } }
  const checked = Object.keys(analysis.entrypoints).map((path) => path.replace('.', 'onehop'))
  expect(checked.toSorted()).toEqual([...ENTRIES, 'onehop/package.json'].toSorted())
})

test('the benchmark of imports runs, and ends by itself', async () => {
  const { stdout } = await run(process.execPath, ['benchmarks/import/main.ts', '--quick', '--json'], {
    cwd: root,
  })
  const { reports } = JSON.parse(stdout) as { reports: readonly Report[] }
  // What needs a package that only its own tests install is left out.
  const measured = reports[0]?.rows.map((row) => String(row['what'])) ?? []
  const leftOut = ENTRIES.filter((name) => reports[0]?.notes?.some((note) => note.startsWith(`${name} `)))
  expect([...measured, ...leftOut].toSorted()).toEqual(['undici', 'undici, again', ...ENTRIES].toSorted())
  expect(measured).toEqual(expect.arrayContaining(['onehop', 'onehop/ecs', 'onehop/http', 'onehop/otel']))
  expect(reports[1]?.rows.map((row) => row['what'])).toEqual([
    'node -e 0',
    'node -e 0, again',
    'onehop --help',
    'onehop call --help',
    'node -e Headers',
    'onehop/auto',
    'onehop/auto, http only',
    'onehop/auto, disabled',
  ])
  for (const { rows } of reports) for (const row of rows) expect(row['wall']).toBeGreaterThan(1)
})

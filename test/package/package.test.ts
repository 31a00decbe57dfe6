/**
 * The package as its users get it: packed, installed into an empty folder, imported from ESM and CommonJS,
 * and type-checked by a consumer.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { build, type BuildOptions } from 'esbuild'
import { startFleet, startLocalAws } from 'onehop/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Report } from '../../benchmarks/discovery/report.ts'

const run = promisify(execFile)
const root = new URL('../..', import.meta.url).pathname
let folder: string
let tarball: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'onehop-consumer-'))
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root })
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as { filename: string }[]
  tarball = join(folder, packed?.filename ?? '')
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'consumer', private: true, type: 'module' }),
  )
  await run('npm', ['install', '--no-audit', '--no-fund', tarball], { cwd: folder })
})

afterAll(() => rm(folder, { recursive: true, force: true }))

async function node(file: string, source: string, flags: readonly string[] = []): Promise<unknown> {
  await writeFile(join(folder, file), source)
  const { stdout } = await run(process.execPath, [...flags, file], { cwd: folder })
  return JSON.parse(stdout)
}

const EXPORTS = ['createClient', 'dnsResolver', 'cloudMapResolver', 'staticResolver', 'p2c', 'roundRobin']

test('is imported from ESM, all entries', async () => {
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

test('onehop/otel needs the API of OpenTelemetry and not undici; other entries need neither', async () => {
  const program = `
    import { registerHooks } from 'node:module'
    const loaded = []
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) })
    const { observe, attemptAttributes } = await import('onehop/otel').catch(({ message }) => ({ observe: message }))
    const count = (pattern) => loaded.filter((url) => pattern.test(url)).length
    console.log(JSON.stringify({ observe: attemptAttributes ? typeof observe : observe, undici: count(/undici/) }))`
  expect(await node('otel-without.js', program)).toMatchObject({
    observe: expect.stringContaining("Cannot find package '@opentelemetry/api'") as string,
  })
  await symlink(join(root, 'node_modules/@opentelemetry'), join(folder, 'node_modules/@opentelemetry'))
  expect(await node('otel.js', program)).toEqual({ observe: 'function', undici: 0 })
  await rm(join(folder, 'node_modules/@opentelemetry'))
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

test('an older Node gets one sentence about the version, from each entry, by import and by require', async () => {
  await writeFile(
    join(folder, 'older.cjs'),
    "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.5' } })",
  )
  const told = await node(
    'old.cjs',
    `const messages = async () => {
       const found = []
       for (const name of ['onehop', 'onehop/ecs', 'onehop/ecs/reaper', 'onehop/testing']) {
         try { require(name) } catch ({ message }) { found.push(message) }
         await import(name).catch(({ message }) => found.push(message))
       }
       return found
     }
     messages().then((found) => console.log(JSON.stringify(found)))`,
    ['--require', './older.cjs'],
  )
  expect(told).toEqual(Array<string>(8).fill('onehop needs Node 22.19 or later, and this is Node 20.19.5'))
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
     const options = { namespaces: ['shop.local'], timeouts: { deadlineMs: 1_000 } }
     const dns = createClient({ ...options, discovery: 'dns', dns: { servers: ['127.0.0.1:9'] } })
     await dns.resolve('orders.shop.local').catch(() => undefined)
     await dns.close()
     const withDns = count(/dns-packet/) > 0
     const api = createClient({
       ...options,
       discovery: 'api',
       cloudMap: { region: 'eu-west-1', endpoint: 'http://127.0.0.1:9', credentials: { accessKeyId: 'x', secretAccessKey: 'y' } },
     })
     const withoutApi = count(/@aws-sdk|@smithy/)
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
    `import { createRequire } from 'node:module'
     import { readFileSync } from 'node:fs'
     import { createClient } from 'onehop'
     const file = createRequire(import.meta.url).resolve('onehop')
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

test.each(['22', '24', '26'])(
  'the imports of onehop, onehop/ecs and onehop/http leave the global dispatcher, on Node %s',
  async (major) => {
    for (const name of ['onehop', 'onehop/ecs', 'onehop/http']) {
      for (const load of [`await import('${name}')`, `createRequire(import.meta.url)('${name}')`]) {
        await writeFile(
          join(folder, 'dispatcher.js'),
          `import { createRequire } from 'node:module'
         const legacy = Symbol.for('undici.globalDispatcher.1')
         const before = globalThis[legacy]
         ${load}
         console.log(JSON.stringify([process.versions.node.split('.')[0], before === undefined, globalThis[legacy] === before]))`,
        )
        const { stdout } = await run('npx', ['-y', `node@${major}`, 'dispatcher.js'], { cwd: folder })
        expect([name, load, JSON.parse(stdout)]).toEqual([name, load, [major, true, true]])
      }
    }
  },
)

/** An application as its author writes it. It calls one service by the API and by DNS, and asks for its own task. */
const APP = `
  import { createClient, InvalidOptionsError } from 'onehop'
  import { NotOnEcsError, self } from 'onehop/ecs'

  const legacy = Symbol.for('undici.globalDispatcher.1')
  async function main() {
    const { cloudMap, dns, env, port } = JSON.parse(process.argv[2])
    const told = { legacy: globalThis[legacy] === undefined }
    for (const discovery of ['api', 'dns']) {
      const client = createClient({ namespaces: ['shop.local'], discovery, cloudMap, dns, allowLoopback: true, port })
      const response = await client.fetch('http://orders.shop.local/', { method: 'POST', body: 'hello' })
      told[discovery] = [response.status, (await client.resolve('orders.shop.local')).source]
      await client.close()
    }
    const task = await self({ env })
    told.family = task.family
    told.offEcs = await self({ env: {} }).catch((error) => error instanceof NotOnEcsError)
    told.refused = await self({ attempts: 0 }).catch((error) => error instanceof InvalidOptionsError)
    console.log(JSON.stringify(told))
  }
  main()`

// What the README says it takes.
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)"
const BUNDLES: [string, BuildOptions & { outfile: string }][] = [
  ['ESM', { format: 'esm', outfile: 'app.mjs', banner: { js: REQUIRE } }],
  ['ESM, minified', { format: 'esm', outfile: 'app.min.mjs', banner: { js: REQUIRE }, minify: true }],
  ['CommonJS', { format: 'cjs', outfile: 'app.cjs' }],
  ['ESM with its packages left out', { format: 'esm', outfile: 'app.external.mjs', packages: 'external' }],
]
test.each(BUNDLES)('runs in an application that esbuild bundles to %s', async (_name, options) => {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  const [task] = fleet.tasks
  aws.addService('orders.shop.local')
  aws.register('orders.shop.local', 'one', { ipv4: task?.address ?? '', port: task?.port ?? 0 })
  await writeFile(join(folder, 'app.js'), APP)
  const outfile = join(folder, options.outfile)
  const { warnings } = await build({
    ...options,
    outfile,
    absWorkingDir: folder,
    entryPoints: ['app.js'],
    bundle: true,
    platform: 'node',
    logLevel: 'silent',
  })
  expect(warnings.map(({ text }) => text)).toEqual([])
  const input = {
    cloudMap: aws.cloudMap,
    dns: { servers: [aws.dns.server] },
    env: aws.metadata.env,
    port: task?.port,
  }
  const { stdout } = await run(process.execPath, [outfile, JSON.stringify(input)], { cwd: folder })
  expect(JSON.parse(stdout)).toEqual({
    legacy: true,
    api: [200, 'cloud-map'],
    dns: [200, 'dns'],
    family: 'orders',
    offEcs: true,
    refused: true,
  })
})

test('type-checks in a strict consumer, with its dependencies', async () => {
  await writeFile(
    join(folder, 'consumer.ts'),
    `import { createClient, OnehopError, type Client, type ClientOptions, type Snapshot } from 'onehop'
     import { register, RegistrationError, self, type Registration } from 'onehop/ecs'
     import { reaper, type TaskStateChange } from 'onehop/ecs/reaper'
     import { startLocalAws, type LocalAws } from 'onehop/testing'
     import { createServer } from 'node:http'

     const options: ClientOptions = {
       namespaces: ['shop.local'],
       services: { 'orders.shop.local': { fallback: 'http://alb.internal', retry: { attempts: 2 } } },
     }
     await using client: Client = createClient(options)
     const response: Response = await client.fetch('http://orders.shop.local/')
     const { statusCode, body } = await client.request('http://orders.shop.local/', { method: 'POST', body: 'x' })
     const handedOn: typeof fetch = client.fetch
     const snapshot: Snapshot = await client.resolve('orders.shop.local')
     const aws: LocalAws = await startLocalAws()
     const zone: string | undefined = (await self()).zone
     const code: string = new Error() instanceof OnehopError ? 'ours' : 'other'
     const server = createServer()
     const registration: Registration = register({ services: { service: 'srv-abc123', port: server }, ready: '/health' })
     await registration.registered.catch((error: unknown) => error instanceof RegistrationError && error.failure)
     const handler: (event: TaskStateChange) => Promise<unknown> = reaper({ services: ['srv-abc123'] })
     // @ts-expect-error: an unknown option is a mistake that the compiler finds too
     createClient({ namespace: 'shop.local' })
     export { response, statusCode, body, handedOn, snapshot, aws, zone, code, handler }`,
  )
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        ...{
          strict: true,
          noEmit: true,
          module: 'nodenext',
          target: 'es2022',
          lib: ['es2023', 'esnext.disposable'],
        },
        ...{ types: ['node'], exactOptionalPropertyTypes: true, skipLibCheck: false },
      },
      files: ['consumer.ts'],
    }),
  )
  await symlink(join(root, 'node_modules/@types'), join(folder, 'node_modules/@types')).catch(() => undefined)
  const compiler = join(root, 'node_modules/.bin/tsc')
  const { stdout } = await run(compiler, ['-p', folder], { cwd: folder }).catch(
    (error: { stdout: string }) => error,
  )
  expect(stdout).toBe('')
})

test('publint finds nothing to say', async () => {
  const { stdout } = await run(join(root, 'node_modules/.bin/publint'), ['run', tarball, '--strict'])
  expect(stdout).toContain('All good!')
})

test('its types resolve in every mode that ESM-only packages can serve', async () => {
  // Exits non-zero for any problem outside the profile's two: node10, and types for require() of ESM.
  const { stdout } = await run(join(root, 'node_modules/.bin/attw'), [tarball, '--profile', 'esm-only'])
  expect(stdout).toContain('onehop/testing')
})

test('the benchmark of imports runs, and ends by itself', async () => {
  const { stdout } = await run(process.execPath, ['benchmarks/import/main.ts', '--quick', '--json'], {
    cwd: root,
  })
  const { reports } = JSON.parse(stdout) as { reports: readonly Report[] }
  expect(reports[0]?.rows.map((row) => row['what'])).toEqual([
    'undici',
    'undici, again',
    'onehop',
    'onehop/ecs',
    'onehop/testing',
  ])
  expect(reports[1]?.rows.map((row) => row['what'])).toEqual([
    'node -e 0',
    'node -e 0, again',
    'onehop --help',
    'onehop call --help',
  ])
  for (const { rows } of reports) for (const row of rows) expect(row['wall']).toBeGreaterThan(1)
})

/**
 * The package as its users get it: packed, installed into an empty folder, imported from ESM and CommonJS,
 * and type-checked by a consumer.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'

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

async function node(file: string, source: string): Promise<unknown> {
  await writeFile(join(folder, file), source)
  const { stdout } = await run(process.execPath, [file], { cwd: folder })
  return JSON.parse(stdout)
}

const EXPORTS = ['createClient', 'dnsResolver', 'cloudMapResolver', 'staticResolver', 'p2c', 'roundRobin']

test('is imported from ESM, all three doors', async () => {
  const told = await node(
    'esm.js',
    `import * as onehop from 'onehop'
     import { self } from 'onehop/ecs'
     import { startLocalAws, startFleet, manualClock } from 'onehop/testing'
     import meta from 'onehop/package.json' with { type: 'json' }
     console.log(JSON.stringify({
       names: Object.keys(onehop),
       others: [self, startLocalAws, startFleet, manualClock].map((value) => typeof value),
       version: meta.version,
     }))`,
  )
  expect(told).toMatchObject({
    names: expect.arrayContaining(EXPORTS) as string[],
    others: ['function', 'function', 'function', 'function'],
    version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
  })
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

test('loads nothing of the AWS SDK until the Cloud Map API is asked', async () => {
  const loaded = await node(
    'lazy.js',
    `import { registerHooks } from 'node:module'
     const loaded = []
     registerHooks({
       load(url, context, next) {
         if (/@aws-sdk|@smithy/.test(url)) loaded.push(url)
         return next(url, context)
       },
     })
     const { createClient } = await import('onehop')
     const client = createClient({
       namespaces: ['shop.local'],
       discovery: 'api',
       cloudMap: { region: 'eu-west-1', endpoint: 'http://127.0.0.1:9', credentials: { accessKeyId: 'x', secretAccessKey: 'y' } },
     })
     const before = loaded.length
     await client.resolve('orders.shop.local').catch(() => undefined)
     await client.close()
     console.log(JSON.stringify({ before, after: loaded.length > 0 }))`,
  )
  expect(loaded).toEqual({ before: 0, after: true })
})

test('type-checks in a strict consumer, with its dependencies', async () => {
  await writeFile(
    join(folder, 'consumer.ts'),
    `import { createClient, OnehopError, type Client, type ClientOptions, type Snapshot } from 'onehop'
     import { self } from 'onehop/ecs'
     import { startLocalAws, type LocalAws } from 'onehop/testing'

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
     // @ts-expect-error: an unknown option is a mistake that the compiler finds too
     createClient({ namespace: 'shop.local' })
     export { response, statusCode, body, handedOn, snapshot, aws, zone, code }`,
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

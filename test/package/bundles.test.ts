/** Applications as for Lambda or a small image: bundled, run, and calling a task on this machine. */
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { startFleet, startLocalAws } from 'onehop/testing'
import { beforeAll, expect, test } from 'vitest'
import { BUNDLERS, REQUIRE } from './bundle.ts'
import { consumer, ENTRIES, run } from './consumer.ts'

const user = consumer({ peers: true })

/** A preload is a module of its own, and no part of an application. */
const BUNDLED = ENTRIES.filter((name) => name !== 'onehop/auto')

/**
 * An application as its author writes it. It calls one service by the API and by DNS, by `fetch` and by an agent, and asks for its
 * own task. It uses all entries.
 */
const MAIN = `
  const global = globalThis[Symbol.for('undici.globalDispatcher.1')]
  async function main() {
    const { cloudMap, dns, env, port } = JSON.parse(process.argv[2])
    const ofNpm = global instanceof Agent || global instanceof Dispatcher1Wrapper
    const told = { global: global === undefined ? 'untouched' : ofNpm ? 'npm' : 'node' }
    told.names = entries.map((entry) => Object.values(entry).filter((value) => typeof value === 'function').length > 0)
    for (const discovery of ['dns', 'api']) {
      const client = createClient({ namespaces: ['shop.local'], discovery, cloudMap, dns, allowLoopback: true, port })
      const response = await client.fetch('http://orders.shop.local/', { method: 'POST', body: 'hello' })
      told[discovery] = [response.status, (await client.resolve('orders.shop.local')).source, globalThis.sdkIsLoaded === true]
      const agent = new OnehopHttpAgent(client)
      told.agent = await new Promise((resolve, reject) =>
        http.get('http://orders.shop.local/', { agent }, (answer) => answer.resume().on('end', () => resolve(answer.statusCode))).on('error', reject))
      agent.destroy()
      await client.close()
    }
    const task = await self({ env })
    told.family = task.family
    told.offEcs = await self({ env: {} }).catch((error) => error instanceof NotOnEcsError)
    told.refused = await self({ attempts: 0 }).catch((error) => error instanceof InvalidOptionsError)
    console.log(JSON.stringify(told))
  }
  main()`

const ESM = `
  import { createClient, InvalidOptionsError } from 'onehop'
  import { NotOnEcsError, self } from 'onehop/ecs'
  import { OnehopHttpAgent } from 'onehop/http'
  import { Agent, Dispatcher1Wrapper } from 'undici'
  // An import of it makes Node load its own undici, which claims the global dispatcher.
  const http = process.getBuiltinModule('node:http')
  ${BUNDLED.map((name, index) => `import * as e${index} from '${name}'`).join('\n')}
  const entries = [${BUNDLED.map((_, index) => `e${index}`).join()}]
  ${MAIN}`

const COMMONJS = `
  const { createClient, InvalidOptionsError } = require('onehop')
  const { NotOnEcsError, self } = require('onehop/ecs')
  const { OnehopHttpAgent } = require('onehop/http')
  const { Agent, Dispatcher1Wrapper } = require('undici')
  const http = require('node:http')
  const entries = [${BUNDLED.map((name) => `require('${name}')`).join()}]
  ${MAIN}`

beforeAll(async () => {
  await user.write('esm.mjs', ESM)
  await user.write('commonjs.cjs', COMMONJS)
  await user.write(
    'older.cjs',
    `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.19.5' } })
     process.on('uncaughtException', ({ message }) => console.log(message))`,
  )
  // The SDK's client says when it is evaluated, in each of its forms.
  const sdk = join(user.folder, 'node_modules/@aws-sdk/client-servicediscovery')
  const forms = (await readdir(sdk, { recursive: true })).filter(
    (path) => path === 'dist-cjs/index.js' || path === 'dist-es/ServiceDiscoveryClient.js',
  )
  expect(forms).toHaveLength(2)
  for (const form of forms) {
    const text = await readFile(join(sdk, form), 'utf8')
    await writeFile(join(sdk, form), `${text}\nglobalThis.sdkIsLoaded = true;\n`)
  }
})

/** rollup and webpack take some ten seconds of CPU for each. */
const CASES: readonly [
  bundler: keyof typeof BUNDLERS,
  format: 'esm' | 'cjs',
  size: 'as it is' | 'minified',
][] = [
  ['esbuild', 'esm', 'as it is'],
  ['esbuild', 'esm', 'minified'],
  ['esbuild', 'cjs', 'as it is'],
  ['esbuild', 'cjs', 'minified'],
  ['rolldown', 'esm', 'as it is'],
  ['rolldown', 'esm', 'minified'],
  ['rolldown', 'cjs', 'as it is'],
  ['rolldown', 'cjs', 'minified'],
  ['rollup', 'esm', 'minified'],
  ['rollup', 'cjs', 'as it is'],
  ['webpack', 'esm', 'as it is'],
  ['webpack', 'cjs', 'as it is'],
]

test.each(CASES)('%s: an application, bundled as %s, %s, calls its task', async (...setting) => {
  const [bundler, format, size] = setting
  const extension = format === 'esm' ? 'mjs' : 'cjs'
  const minify = size === 'minified'
  // CommonJS as its author writes it, and as compilers make it of ESM.
  const input = join(user.folder, format === 'cjs' && !minify ? 'commonjs.cjs' : 'esm.mjs')
  const output = join(user.folder, `${bundler}${minify ? '.min' : ''}.${extension}`)
  expect(await BUNDLERS[bundler]({ input, output, format, minify })).toEqual([])
  // These two make imports at the top of what undici requires. Node's own undici is then loaded before all else, and stays.
  const importsFirst = format === 'esm' && (bundler === 'rollup' || bundler === 'webpack')
  await runs(output, {
    global: importsFirst ? 'node' : 'untouched',
    // rollup evaluates at the start what it puts into one file, also what is imported later.
    isLazy: bundler !== 'rollup' || format === 'esm',
  })
  // The check of the version runs before undici, which says nothing of versions.
  const { stdout } = await run(process.execPath, ['--require', './older.cjs', output], { cwd: user.folder })
  expect(stdout.trim()).toBe('onehop needs Node 22.19 or later, and this is Node 20.19.5')
})

test('esbuild: an application whose packages stay outside calls its task', async () => {
  const { build } = await import('esbuild')
  const outfile = join(user.folder, 'external.mjs')
  const { warnings } = await build({
    ...{ bundle: true, platform: 'node', format: 'esm', packages: 'external', logLevel: 'silent' },
    ...{ entryPoints: [join(user.folder, 'esm.mjs')], outfile },
  })
  expect(warnings).toEqual([])
  await runs(outfile, { global: 'untouched', isLazy: true })
})

test('esbuild: an application that is split into files, as tsup does it, calls its task', async () => {
  const { build } = await import('esbuild')
  const { warnings } = await build({
    ...{ bundle: true, splitting: true, platform: 'node', format: 'esm', logLevel: 'silent' },
    ...{ entryPoints: [join(user.folder, 'esm.mjs')], outdir: join(user.folder, 'split') },
    ...{ outExtension: { '.js': '.mjs' }, banner: { js: REQUIRE } },
  })
  expect(warnings).toEqual([])
  await runs('split/esm.mjs', { global: 'untouched', isLazy: true })
})

interface Start {
  /** Whose dispatcher the global one of the built-in `fetch` is; it must not be that of the undici of npm. */
  readonly global: 'untouched' | 'node'
  /** The AWS SDK is loaded by the first call of the API, and not before. */
  readonly isLazy: boolean
}

async function runs(program: string, { global, isLazy }: Start): Promise<void> {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  const { address = '', port = 0 } = fleet.tasks[0] ?? {}
  aws.addService('orders.shop.local')
  aws.register('orders.shop.local', 'one', { ipv4: address, port })
  const input = {
    cloudMap: aws.cloudMap,
    dns: { servers: [aws.dns.server] },
    env: aws.metadata.env,
    port,
  }
  const { stdout } = await run(process.execPath, [program, JSON.stringify(input)], { cwd: user.folder })
  expect(JSON.parse(stdout)).toEqual({
    global,
    names: BUNDLED.map(() => true),
    dns: [200, 'dns', !isLazy],
    api: [200, 'cloud-map', true],
    agent: 200,
    family: 'orders',
    offEcs: true,
    refused: true,
  })
}

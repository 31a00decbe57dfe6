/**
 * What works in Deno and Bun, which have Node's modules but are not Node: docs/runtimes.md has the table. Node runs the same
 * program, so that what it finds says something. npx downloads both; where it cannot, the tests are skipped and say so.
 */
import { copyFile } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { startFleet, startLocalAws } from 'onehop/testing'
import { beforeAll, expect, test, type TestContext } from 'vitest'
import { consumer, ENTRIES, run } from './consumer.ts'

const DENO = 'deno@2.9.6'
const BUN = 'bun@1.4.5'

const user = consumer({ peers: true })

/** A preload of Node; its flag does not exist elsewhere. */
const IMPORTED = ENTRIES.filter((name) => name !== 'onehop/auto')

/** For `smoke.mjs`. */
interface Input {
  readonly entries: readonly string[]
  readonly port: number
  readonly metadata: Readonly<Record<string, string>>
  readonly aws: { readonly dns: string; readonly cloudMap: object; readonly task: string }
}

/** By check: `works`, or the message of its error. */
type Told = Readonly<Record<string, string>>

beforeAll(() => copyFile(join(import.meta.dirname, 'runtimes/smoke.mjs'), join(user.folder, 'smoke.mjs')))

async function smoke(command: string, ...args: readonly string[]): Promise<Told> {
  await using aws = await startLocalAws()
  await using fleet = await startFleet({ tasks: 1 })
  const { address = '', port = 0 } = fleet.tasks[0] ?? {}
  aws.addService('orders.shop.local')
  aws.register('orders.shop.local', 'one', { ipv4: address, port })
  const input: Input = {
    entries: IMPORTED,
    port,
    metadata: aws.metadata.env,
    aws: { dns: aws.dns.server, cloudMap: aws.cloudMap, task: address },
  }
  const { stdout } = await run(command, [...args, JSON.stringify(input)], { cwd: user.folder })
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Told
}

function failuresOf(told: Told): Told {
  return Object.fromEntries(Object.entries(told).filter(([, result]) => result !== 'works'))
}

async function isThere(runtime: string, { skip }: TestContext): Promise<void> {
  const version = await run('npx', ['-y', runtime, '--version']).catch(() => undefined)
  if (version === undefined) skip(`npx cannot run ${runtime}`)
  else console.log(`${runtime}: ${version.stdout.split('\n')[0]}`)
}

const GLOBAL = 'global dispatcher under the built-in fetch'

test('Node: all checks work', async () => {
  expect(failuresOf(await smoke(process.execPath, 'smoke.mjs'))).toEqual({})
})

test('Deno: all works but the built-in fetch, which knows no dispatcher', async (context) => {
  await isThere(DENO, context)
  const failures = failuresOf(await smoke('npx', '-y', DENO, 'run', '--allow-all', 'smoke.mjs'))
  expect(failures).toEqual({ [GLOBAL]: expect.stringContaining('fetch failed') as string })
})

test('Bun: has an undici of its own, with which onehop does not load', async (context) => {
  await isThere(BUN, context)
  const told = await smoke('npx', '-y', BUN, 'smoke.mjs')
  expect(told['import onehop']).toBe("Export named 'Dispatcher1Wrapper' not found in module 'undici'.")
})

test('Bun: in a bundle all works but the built-in fetch', async (context) => {
  await isThere(BUN, context)
  const names = JSON.stringify(Object.fromEntries(IMPORTED.map((name, index) => [name, index])))
  // Bundlers see only imports whose names are written out.
  const modules = `
    ${IMPORTED.map((name, index) => `import * as e${index} from '${name}'`).join('\n')}
    export const moduleOf = (name) => [${IMPORTED.map((_, index) => `e${index}`).join()}][${names}[name]]`
  await user.write('modules.mjs', modules)
  await build({
    ...{ bundle: true, platform: 'node', format: 'esm', logLevel: 'silent' },
    ...{
      absWorkingDir: user.folder,
      entryPoints: ['smoke.mjs'],
      outfile: join(user.folder, 'smoke.bun.mjs'),
    },
    define: { BUNDLED: 'true' },
    banner: {
      js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url)",
    },
  })
  const failures = failuresOf(await smoke('npx', '-y', BUN, 'smoke.bun.mjs'))
  expect(failures).toEqual({ [GLOBAL]: expect.stringContaining('ENOTFOUND') as string })
})

/**
 * What README.md and the docs show in TypeScript compiles as it stands, in a user's strict program.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { allowForProcesses } from '../support/processes/programs.ts'

allowForProcesses()

const root = new URL('../..', import.meta.url).pathname

/** Of a plain program for Node: the default libs of TypeScript, which have the DOM, and those without. */
const LIBS: readonly { readonly lib?: readonly string[] }[] = [{}, { lib: ['es2024'] }]

function compilerOptions(types: string): object {
  return {
    ...{ target: 'es2024', module: 'nodenext', types: ['node'] },
    ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: true },
    // What users have are the declarations.
    paths: {
      onehop: [`${types}/index.d.ts`],
      'onehop/connect': [`${types}/connect/index.d.ts`],
      'onehop/ecs': [`${types}/ecs/index.d.ts`],
      'onehop/ecs/reaper': [`${types}/ecs/reaper.d.ts`],
      'onehop/auto': [`${types}/auto/index.d.ts`],
      'onehop/http': [`${types}/http/index.d.ts`],
      'onehop/install': [`${types}/install/index.d.ts`],
      'onehop/net': [`${types}/net/index.d.ts`],
      'onehop/otel': [`${types}/otel/index.d.ts`],
      'onehop/testing': [`${types}/testing/index.d.ts`],
    },
  }
}

/** What the snippets use of drivers that are installed for tests only. */
const DRIVERS = `${root}examples/net/drivers.d.ts`

interface Snippet {
  /** `README-62.ts`: where it stands. */
  readonly file: string
  readonly code: string
}

async function snippetsOf(document: string): Promise<Snippet[]> {
  const text = await readFile(root + document, 'utf8')
  return [...text.matchAll(/^```ts\n([^]*?)^```$/gm)].map(({ index, 1: code = '' }) => {
    const line = text.slice(0, index).split('\n').length
    return { file: `${document.replaceAll(/\W+/g, '-').replace('-md', '')}-${line}.ts`, code }
  })
}

async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onehop-snippets-'))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, 'package.json'), JSON.stringify({ type: 'module' }))
  return folder
}

async function tsc(...flags: readonly string[]): Promise<string> {
  return promisify(execFile)(process.execPath, [`${root}node_modules/.bin/tsc`, ...flags]).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  )
}

/** The declarations of the package. */
let types: string
beforeAll(async () => {
  types = await scratch()
  const told = await tsc('-p', `${root}tsconfig.build.json`, '--emitDeclarationOnly', '--outDir', types)
  expect(told).toBe('')
})
afterAll(() => rm(types, { recursive: true, force: true }))

async function compile(snippets: readonly Snippet[], libs: (typeof LIBS)[number]): Promise<string> {
  const folder = await scratch()
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const config = { compilerOptions: { ...compilerOptions(types), ...libs }, include: ['*.ts', DRIVERS] }
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config))
  for (const { file, code } of snippets) await writeFile(join(folder, file), `${code}\nexport {}\n`)
  return tsc('-p', folder)
}

describe.each(LIBS)('with the libs %j', (libs) => {
  test('the snippets of README.md and the docs compile as they stand', async () => {
    const files = await readdir(`${root}docs`, { recursive: true })
    // The libraries of recipes.md are not installed here; test/doors/recipes/types.test.ts has them.
    const others = /^(api|decisions|recipes\.md)\b/
    const docs = files.filter((name) => name.endsWith('.md') && !others.test(name))
    const snippets = (
      await Promise.all(['README.md', ...docs.map((name) => `docs/${name}`)].map(snippetsOf))
    ).flat()
    expect(snippets.length).toBeGreaterThan(10)
    expect(await compile(snippets, libs)).toBe('')
  })

  test('the compiler reports one that does not', async () => {
    const code = "import { createClient } from 'onehop'\ncreateClient({ namespace: [] })"
    expect(await compile([{ file: 'wrong.ts', code }], libs)).toContain(
      "'namespace' does not exist in type 'ClientOptions'",
    )
    expect(await compile([{ file: 'global.ts', code: 'client.inspect()' }], libs)).toContain(
      "Cannot find name 'client'",
    )
  })
})

test('what shows `using` says what it needs', async () => {
  for (const document of ['docs/requests.md', 'docs/testing.md']) {
    const text = await readFile(root + document, 'utf8')
    expect(text).toMatch(/using\b.*=/)
    expect(text).toMatch(/`(await )?using` needs Node 24/)
  }
})

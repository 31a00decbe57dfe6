/**
 * What README.md and the docs show in TypeScript compiles, as a user's strict program would.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

const root = new URL('..', import.meta.url).pathname

/** What the text around a snippet has introduced, for those that begin in the middle. */
const INTRODUCED = `
  declare global {
    const { createClient, deadlineOf, staticResolver }: typeof import('onehop')
    const { manualClock, scriptedResolver }: typeof import('onehop/testing')
    const { createServer }: typeof import('node:http')
    const client: import('onehop').Client
    const aws: import('onehop/testing').LocalAws
    const server: import('node:http').Server
    /** URL of the ALB. */
    const balancer: string
    const log: { info(facts: object): void; warn(facts: object): void }
    const sql: string
    function query(text: string, options: { signal: AbortSignal | undefined }): Promise<readonly object[]>
  }
  export {}
`

const COMPILER_OPTIONS = {
  ...{ target: 'es2024', lib: ['es2024', 'esnext.disposable'], module: 'nodenext', types: ['node'] },
  ...{ strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: true },
  // Sources import each other by the names that they have.
  allowImportingTsExtensions: true,
  paths: {
    onehop: [`${root}src/index.ts`],
    'onehop/ecs': [`${root}src/ecs/index.ts`],
    'onehop/testing': [`${root}src/testing/index.ts`],
  },
}

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

async function compile(snippets: readonly Snippet[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'onehop-snippets-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const write = (file: string, content: string): Promise<void> => writeFile(join(folder, file), content)
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await write('package.json', JSON.stringify({ type: 'module' }))
  await write('tsconfig.json', JSON.stringify({ compilerOptions: COMPILER_OPTIONS, include: ['*.ts'] }))
  await write('introduced.ts', INTRODUCED)
  for (const { file, code } of snippets) await write(file, `${code}\nexport {}\n`)
  return promisify(execFile)(process.execPath, [`${root}node_modules/.bin/tsc`, '-p', folder]).then(
    ({ stdout }) => stdout,
    (error: { stdout: string }) => error.stdout,
  )
}

test('the snippets of README.md and the docs compile', async () => {
  const docs = (await readdir(`${root}docs`)).filter((name) => name.endsWith('.md'))
  const snippets = (
    await Promise.all(['README.md', ...docs.map((name) => `docs/${name}`)].map(snippetsOf))
  ).flat()
  expect(snippets.length).toBeGreaterThan(10)
  expect(await compile(snippets)).toBe('')
})

test('one that does not is told', async () => {
  expect(await compile([{ file: 'wrong.ts', code: 'createClient({ namespace: [] })' }])).toContain(
    "'namespace' does not exist in type 'ClientOptions'",
  )
})

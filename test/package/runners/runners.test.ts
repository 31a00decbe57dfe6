/** The test runners of users, CommonJS and transforms: what docs/testing.md says of them, with the packed package. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeProject, PACKAGES, type Project } from './project.ts'

let project: Project
beforeAll(async () => {
  project = await makeProject()
}, 180_000)
afterAll(() => project[Symbol.asyncDispose]())

const root = join(import.meta.dirname, '../../..')
const JEST = { 29: `${PACKAGES}/jest-29/bin/jest.js`, 30: `${PACKAGES}/jest/bin/jest.js` } as const

/** Transforms beside that of docs/testing.md. */
const TRANSFORMS: Readonly<Record<string, readonly [name: string, options: object]>> = {
  'babel-jest': [
    `${PACKAGES}/babel-jest`,
    { presets: [[`${PACKAGES}/@babel/preset-env`, { targets: { node: 'current' } }]] },
  ],
  'ts-jest': [
    `${PACKAGES}/ts-jest`,
    {
      diagnostics: false,
      tsconfig: {
        module: 'commonjs',
        target: 'es2022',
        allowJs: true,
        esModuleInterop: true,
        isolatedModules: true,
      },
    },
  ],
}

interface Run {
  readonly version: keyof typeof JEST
  readonly node: string
  readonly file: string
  readonly flags?: readonly string[]
  /** What differs from the configuration of docs/testing.md. */
  readonly config?: object
}

/** Jest 29 has no `Symbol.dispose` on Node 22, so that it gets the environment of docs/testing.md. */
async function jest({ version, node, file, flags = [], config = {} }: Run): Promise<Result> {
  const name = `jest.${crypto.randomUUID()}.cjs`
  const own = {
    // ts-jest compiles undici within a test.
    testTimeout: 60_000,
    testMatch: [`**/${file}`],
    moduleFileExtensions: ['js', 'cjs', 'mjs', 'ts', 'json'],
    ...(version === 29 ? { testEnvironment: './jest.environment.cjs' } : {}),
    ...config,
  }
  const text = `module.exports = { ...require('./jest.config.cjs'), ...${JSON.stringify(own)} }`
  await writeFile(join(project.folder, name), text)
  return project.node(node, ...flags, JEST[version], '--ci', '-i', '-c', name)
}

type Result = Awaited<ReturnType<Project['node']>>

function expectPassed({ ok, text }: Result, tests = '3 passed'): void {
  expect([ok, text]).toEqual([true, expect.stringContaining(tests)])
}

/** Each takes seconds on a machine of its own; they run beside one another, and beside other suites. */
const TIMEOUT_MS = 300_000
const VM = ['--experimental-vm-modules']
const CJS = 'cjs.test.cjs'

describe.concurrent('the packed package', { timeout: TIMEOUT_MS }, () => {
  test.each([29, 30] as const)('under Jest %s with @swc/jest, with fake timers, too', async (version) => {
    expectPassed(await jest({ version, node: '22', file: '{cjs,fake}.test.cjs' }), '6 passed')
  })

  test.each([
    ['babel-jest', CJS],
    ['ts-jest', 'ts.test.ts'],
  ])('under Jest 30 with %s', async (name, file) => {
    const config = { transform: { [String.raw`\.[mc]?[jt]s$`]: TRANSFORMS[name] } }
    expectPassed(await jest({ version: 30, node: '22', file, config }))
  })

  test.each([
    [29, '22'],
    [30, '22'],
    [30, '24'],
    [30, '26'],
  ] as const)('as ES modules under Jest %s, on Node %s', async (version, node) => {
    const config = { transform: {} }
    expectPassed(await jest({ version, node, file: 'esm.test.mjs', flags: VM, config }))
  })

  test('by require() under Jest 30 without a transform: with the flag on Node 24, else refused', async () => {
    const config = { transform: {} }
    expectPassed(await jest({ version: 30, node: '24', file: CJS, flags: VM, config }))
    const { ok, text } = await jest({ version: 30, node: '22', file: CJS, config })
    expect([ok, text]).toEqual([false, expect.stringContaining('Must use import to load ES Module')])
  })

  test.each(['22', '24', '26'])('under node:test, by import and by require, on Node %s', async (node) => {
    expectPassed(await project.node(node, '--test', 'node.test.mjs', 'node.test.cjs'), 'pass 6')
  })

  test('under mocha, by import and by require', async () => {
    const bin = `${PACKAGES}/mocha/bin/mocha.js`
    expectPassed(await project.node('22', bin, 'mocha.cjs', 'mocha.mjs'), '6 passing')
  })

  test('under vitest', async () => {
    const bin = join(root, 'node_modules/vitest/vitest.mjs')
    const flags = ['run', '--root', project.folder, 'vitest.test.mjs']
    expectPassed(await project.node('22', bin, ...flags))
  })
})

describe('TypeScript in a CommonJS file', { timeout: TIMEOUT_MS }, () => {
  const source = `import { createClient, type Client } from 'onehop'
    import { answerWith, type AnsweredClient } from 'onehop/testing'
    const client: Client = createClient()
    const answered: AnsweredClient = answerWith((request: Request) => Response.json(request.url))
    export { client, answered }`
  const dynamic = `import type { Client } from 'onehop' with { 'resolution-mode': 'import' }
    export const load = async (): Promise<Client> => (await import('onehop')).createClient()`

  async function compile(module: string, ...texts: readonly string[]): Promise<string> {
    const files = texts.map(() => `consumer.${crypto.randomUUID()}.cts`)
    for (const [i, text] of texts.entries()) await writeFile(join(project.folder, files[i] ?? ''), text)
    const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]
    const flags = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--target',
      'es2022',
      '--module',
      module,
      ...types,
    ]
    return (await project.node('24', `${PACKAGES}/typescript/bin/tsc`, ...flags, ...files)).text
  }

  test.each(['node16', 'node20'])('imports under %s, statically and dynamically', async (module) => {
    expect(await compile(module, source, dynamic)).toBe('')
  })
})

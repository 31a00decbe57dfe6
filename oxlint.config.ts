/** The linter's rules; first of all, the layers of `src/` (docs/architecture.md). */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { defineConfig, type OxlintConfig } from 'oxlint'

/**
 * What each folder of `src/` may import beside itself, types included. A folder imports only folders that stand
 * before it in this list. A file instead of a folder is a face of the package: that file, and nothing beside it.
 */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  discovery: ['core'],
  balancer: ['core'],
  cluster: ['core', 'discovery', 'balancer'],
  dispatch: ['core', 'discovery', 'balancer', 'cluster'],
  config: ['core', 'discovery', 'balancer', 'cluster', 'dispatch'],
  server: ['core'],
  ecs: ['core', 'discovery', 'server'],
  testing: ['core', 'discovery', 'index.ts'],
  // Doors stand on what users have: `client.watch` and `client.acquire` (docs/decisions/019). Of core only what may be in
  // each bundle: no state that they share. The build takes core/errors.ts from the client.
  http: ['core', 'index.ts', 'net/index.ts'],
  connect: ['core', 'index.ts'],
  grpc: ['core', 'index.ts'],
  net: ['core', 'index.ts'],
  // What `onehop/http` does for its agents, `install` does for all of Node's. Handlers of other undicis it adapts as the client does.
  install: [
    ...['core', 'http', 'index.ts'],
    ...['dispatch/request/current-handler.ts', 'dispatch/passthrough/passed-call.ts'],
  ],
  auto: ['core', 'install', 'index.ts'],
  // The benchmark measures the client as users have it.
  bench: ['core', 'index.ts', 'ecs/index.ts'],
  otel: ['core', 'index.ts'],
  // `doctor` and `resolve` show what the client makes nothing of: DNS records, health, errors of each API action.
  cli: ['core', 'discovery', 'bench', 'index.ts', 'ecs/index.ts'],
}
/** How many folders below its layer a file may stand. */
const DEPTHS = [0, 1, 2]

const CLOCK = 'Time and randomness come from core/clock.ts.'
const TIMERS = ['node:timers', 'node:timers/promises', 'timers', 'timers/promises', 'node:perf_hooks']
const TIME_GLOBALS = ['Date', 'performance', 'setTimeout', 'setInterval', 'clearTimeout', 'clearInterval']

const layers: NonNullable<OxlintConfig['overrides']> = Object.entries(LAYERS).flatMap(([folder, allowed]) => {
  const list = allowed.map((name) => (isFace(name) ? name : `${name}/`)).join(', ') || 'no other folder'
  const others = [...Object.keys(LAYERS), ...filesOf('src')].filter(
    (name) => name !== folder && !allowed.includes(name),
  )
  // The linter's regular expressions have no lookahead, and one that has it matches nothing: each file is named.
  const forbidden = others.flatMap((name) => {
    const faces = allowed.filter((face) => face.startsWith(`${name}/`))
    if (isFace(name)) return [`${escaped(name)}$`]
    return faces.length === 0
      ? [`${name}/`]
      : filesOf(`src/${name}`)
          .map((file) => `${name}/${escaped(file)}$`)
          .filter((pattern) => !faces.some((face) => pattern === `${escaped(face)}$`))
  })
  return DEPTHS.map((depth) => ({
    files: [`src/${folder}/${'*/'.repeat(depth)}*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              // Another layer, or a file of src/ itself.
              regex: `^${'\\.\\./'.repeat(depth + 1)}(${forbidden.join('|')})`,
              message: `${folder}/ may import ${list} (docs/architecture.md).`,
            },
            { group: TIMERS, message: CLOCK },
          ],
        },
      ],
    },
  }))
})

function isFace(name: string): boolean {
  return name.endsWith('.ts')
}

/** The TypeScript files of a folder, at any depth; of `src` itself only those at its top. */
function filesOf(folder: string): readonly string[] {
  const files = readdirSync(join(import.meta.dirname, folder), { recursive: folder !== 'src' }) as string[]
  return files.filter(isFace)
}

function escaped(name: string): string {
  return name.replaceAll('.', '\\.')
}

const config: ReturnType<typeof defineConfig> = defineConfig({
  plugins: ['typescript', 'import', 'unicorn', 'promise', 'node'],
  categories: { correctness: 'error', suspicious: 'error', perf: 'error' },
  ignorePatterns: ['dist'],
  rules: {
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'import/no-unassigned-import': 'off',
    'no-console': 'error',
    'typescript/consistent-return': 'off',
    'import/no-named-as-default-member': 'off',
    'promise/no-callback-in-promise': 'off',
    'promise/no-promise-in-callback': 'off',
    'unicorn/consistent-function-scoping': 'off',
    'unicorn/no-useless-spread': 'off',
    'no-await-in-loop': 'off',
    'typescript/no-explicit-any': 'error',
    'typescript/consistent-type-imports': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': 'error',
    'typescript/switch-exhaustiveness-check': 'error',
    'typescript/no-unsafe-type-assertion': 'off',
    'no-restricted-globals': ['error', ...TIME_GLOBALS.map((name) => ({ name, message: CLOCK }))],
    'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: CLOCK }],
  },
  overrides: [
    ...layers,
    {
      files: ['src/core/clock.ts'],
      rules: {
        'no-restricted-globals': 'off',
        'no-restricted-imports': 'off',
        'no-restricted-properties': 'off',
      },
    },
    {
      // AsyncResource.runInAsyncScope() binds them to the object that it gets.
      files: ['src/dispatch/call/in-context.ts'],
      rules: { 'typescript/unbound-method': 'off' },
    },
    {
      // What Node's agents call their own.
      files: ['src/http/*.ts', 'src/install/*.ts', 'src/net/*.ts'],
      rules: { 'no-underscore-dangle': 'off' },
    },
    {
      // Node reports when a connection was made only by performance entries.
      files: ['src/cli/call/tcp-connects.ts'],
      rules: { 'no-restricted-imports': 'off' },
    },
    {
      files: [
        'test/**',
        'simulation/**',
        'chaos/**',
        'examples/**',
        'benchmarks/**',
        'scripts/**',
        'vitest.config.ts',
        'oxlint.config.ts',
      ],
      rules: {
        'no-restricted-globals': 'off',
        'no-restricted-properties': 'off',
        'no-restricted-imports': 'off',
        'no-console': 'off',
        'typescript/unbound-method': 'off',
      },
    },
    {
      // node:test waits for its tests by itself.
      files: ['examples/*.test.ts'],
      rules: {
        'typescript/no-floating-promises': [
          'error',
          { allowForKnownSafeCalls: [{ from: 'package', name: 'test', package: 'node:test' }] },
        ],
      },
    },
    {
      files: ['examples/infrastructure/**'],
      rules: {
        // CDK's constructs add themselves to their scope.
        'no-new': 'off',
        // Its own packages are there only after `npm run infra:check`: their types are errors before.
        'typescript/no-redundant-type-constituents': 'off',
        'typescript/no-implied-eval': 'off',
      },
    },
  ],
})

export default config

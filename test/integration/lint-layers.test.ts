/**
 * The linter refuses what docs/architecture.md does not allow: imports of other layers, and time that is not the clock's. Its rules
 * are patterns, and a pattern may match nothing.
 */
import { spawnSync } from 'node:child_process'
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { allowForProcesses } from '../support/processes/programs.ts'

allowForProcesses()

const ROOT = new URL('../..', import.meta.url).pathname

/** Folders of `src/`, and files of others, that each folder may import, as docs/architecture.md says. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  Array.from(
    readFileSync(join(ROOT, 'docs/architecture.md'), 'utf8').matchAll(/^\| `(\w+)\/` \|.*\| (.*) \|$/gm),
    ([, folder = '', allowed = '']) => [folder, allowed.split(', ').map(sourceOf)],
  ),
)
const LAYERS = Object.keys(MAY_IMPORT)

function sourceOf(name: string): string {
  return name === 'the public face' ? 'index.ts' : name.replaceAll('`', '')
}

const SOURCES = (readdirSync(join(ROOT, 'src'), { recursive: true }) as string[])
  .filter((path) => path.endsWith('.ts'))
  .toSorted()
const FOLDERS = [...new Set(SOURCES.map(dirname))].filter((folder) => folder !== '.')

const NAMED = new Set(Object.values(MAY_IMPORT).flat())
const EXAMPLES = SOURCES.filter((path) => {
  const others = SOURCES.filter((other) => layerOf(other) === layerOf(path))
  return NAMED.has(path) || path === others[0] || path === others.at(-1)
})

/** The planted file of a folder, each of whose lines imports one source in one way. */
const PLANTED = 'planted.ts'
const WAYS = [
  (path: string) => `import '${path}'`,
  (path: string) => `import type { ${path.replaceAll(/\W/g, '_')} } from '${path}'`,
  (path: string) => `export * from '${path}'`,
]

/** Of `core/clock.ts` alone. */
const OF_THE_CLOCK = [
  "import { setTimeout as wait } from 'node:timers/promises'",
  "import { performance as time } from 'node:perf_hooks'",
  'export const now = Date.now()',
  'export const timer = setTimeout(wait, time.now())',
  'export const random = Math.random()',
]

/** Two sources of each other layer, those that a rule names, and those at the top of `src/`. */
function importsOf(layer: string): readonly string[] {
  return EXAMPLES.filter((path) => layerOf(path) !== layer)
}

/** The lines of the planted file. */
function plantedIn(folder: string): readonly string[] {
  const imports = importsOf(layerOf(folder)).map((path) => relative(folder, path))
  return [...OF_THE_CLOCK, ...imports.flatMap((path) => WAYS.map((way) => way(path)))]
}

function layerOf(path: string): string {
  return path.split('/')[0] ?? ''
}

function isAllowed(layer: string, path: string): boolean {
  const allowed = MAY_IMPORT[layer] ?? []
  return allowed.includes(path) || allowed.includes(layerOf(path))
}

interface Diagnostic {
  readonly code?: string
  readonly filename: string
  readonly labels: readonly { readonly span: { readonly line: number } }[]
}

const project = mkdtempSync(join(tmpdir(), 'onehop-layers-'))
let refused: ReadonlySet<string>

beforeAll(() => {
  copyFileSync(join(ROOT, 'oxlint.config.ts'), join(project, 'oxlint.config.ts'))
  symlinkSync(join(ROOT, 'node_modules'), join(project, 'node_modules'))
  const sources = join(project, 'src')
  for (const folder of FOLDERS) {
    mkdirSync(join(sources, folder), { recursive: true })
    writeFileSync(join(sources, folder, PLANTED), plantedIn(folder).join('\n'))
  }
  // The rules name the files that there are.
  for (const path of SOURCES) writeFileSync(join(sources, path), 'export {}')
  const linter = join(ROOT, 'node_modules/oxlint/bin/oxlint')
  const { stdout } = spawnSync(process.execPath, [linter, '--format', 'json', 'src'], {
    cwd: project,
    encoding: 'utf8',
    maxBuffer: 1e8,
  })
  const { diagnostics } = JSON.parse(stdout) as { readonly diagnostics: readonly Diagnostic[] }
  refused = new Set(
    diagnostics
      .filter(({ code }) => code?.includes('(no-restricted-'))
      .map(({ filename, labels }) => `${filename}:${labels[0]?.span.line}`),
  )
})
afterAll(() => rmSync(project, { recursive: true, force: true }))

test('each folder of src/ is a layer with a rule', () => {
  expect([...new Set(FOLDERS.map(layerOf))].toSorted()).toEqual(LAYERS.toSorted())
})

test.for(FOLDERS)('%s/ may import what docs/architecture.md says, and nothing else', (folder) => {
  const allowed = new Set(
    importsOf(layerOf(folder))
      .filter((path) => isAllowed(layerOf(folder), path))
      .flatMap((path) => WAYS.map((way) => way(relative(folder, path)))),
  )
  const lines = plantedIn(folder)
  const passed = lines.filter((_, index) => !refused.has(`src/${folder}/${PLANTED}:${index + 1}`))
  expect(passed).toEqual(lines.filter((line) => allowed.has(line)))
})

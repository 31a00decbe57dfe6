/**
 * The API reference of `docs/api/`, made from the docstrings of what the package exports. Fails for an exported
 * declaration without one. `npm run docs:api` writes it; `npm run docs:api -- --check` fails if it is out of date.
 *
 * TypeDoc needs the JavaScript API of TypeScript 6; TypeScript 7, which compiles the sources, has none. Both stand in
 * `scripts/api/`, with a lock file of their own, and are installed on first use.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { entriesOf } from './entries.ts'
import { installPackages } from './private-packages.ts'

const root = join(import.meta.dirname, '..')
const tool = join(import.meta.dirname, 'api')
const reference = join(root, 'docs/api')

installPackages(tool)
if (process.argv.includes('--check')) check()
else writeTo(reference)

function writeTo(folder: string): void {
  run(process.execPath, [
    join(tool, 'node_modules/typedoc/bin/typedoc'),
    '--logLevel',
    'Warn',
    '--out',
    folder,
    ...entriesOf().flatMap(({ source }) => ['--entryPoints', join(root, source)]),
  ])
}

/** What the command printed explains its failure: no stack trace of this script. */
function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: tool, stdio: 'inherit' })
  if (error !== undefined) throw error
  if (status !== 0) process.exit(status ?? 1)
}

function check(): void {
  const folder = mkdtempSync(join(tmpdir(), 'onehop-api-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  writeTo(folder)
  const outdated = differences(contentsOf(folder), contentsOf(reference))
  if (outdated.length === 0) return
  console.error(
    `docs/api is out of date (${outdated.join(', ')}): run npm run docs:api and commit the result`,
  )
  process.exitCode = 1
}

function contentsOf(folder: string): ReadonlyMap<string, string> {
  if (!existsSync(folder)) return new Map()
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  return new Map(
    files.map(({ parentPath, name }) => {
      const path = join(parentPath, name)
      return [path.slice(folder.length + 1), readFileSync(path, 'utf8')]
    }),
  )
}

function differences(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): string[] {
  return [...new Set([...one.keys(), ...other.keys()])].filter((name) => one.get(name) !== other.get(name))
}

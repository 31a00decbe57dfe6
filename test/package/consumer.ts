/** A project that uses the package: an empty folder into which the tarball is installed. */
import { execFile, type ExecFileOptions } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, inject } from 'vitest'
import { entriesOf } from '../../scripts/entries.ts'

export const run: typeof execFile.__promisify__ = promisify(execFile)
export const root: string = join(import.meta.dirname, '../..')

/** All that users can import: `onehop`, `onehop/ecs`, … */
export const ENTRIES: readonly string[] = entriesOf().map(({ name }) => name)

/** A program of one of the private packages of these tests. */
export function tool(path: string): string {
  return join(import.meta.dirname, 'packages/node_modules', path)
}

export interface Consumer {
  readonly folder: string
  /** Runs a program with this Node; what it prints is JSON. */
  node(file: string, source: string, flags?: readonly string[]): Promise<unknown>
  /** Writes a file, and returns its path. */
  write(file: string, text: string): Promise<string>
  exec(command: string, args: readonly string[], options?: ExecFileOptions): Promise<string>
}

/**
 * For one file of tests.
 * @param peers also what the package has as optional peers, and the types of Node
 */
export function consumer({ peers = false }: { readonly peers?: boolean } = {}): Consumer {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'onehop-consumer-'))
    const meta = { name: 'consumer', private: true, type: 'module' }
    await writeFile(join(folder, 'package.json'), JSON.stringify(meta))
    const packages = peers ? await peersOf() : []
    await run('npm', ['install', '--no-audit', '--no-fund', inject('tarball'), ...packages], { cwd: folder })
  })
  afterAll(() => rm(folder, { recursive: true, force: true }))
  const write = async (file: string, text: string): Promise<string> => {
    await writeFile(join(folder, file), text)
    return join(folder, file)
  }
  const exec = async (
    command: string,
    args: readonly string[],
    options: ExecFileOptions = {},
  ): Promise<string> => {
    const { stdout } = await run(command, args, { cwd: folder, ...options, encoding: 'utf8' })
    return stdout
  }
  return {
    get folder() {
      return folder
    },
    write,
    exec,
    async node(file, source, flags = []) {
      await write(file, source)
      return JSON.parse(await exec(process.execPath, [...flags, file]))
    },
  }
}

interface Meta {
  readonly devDependencies: Readonly<Record<string, string>>
  readonly peerDependencies: Readonly<Record<string, string>>
}

async function peersOf(): Promise<readonly string[]> {
  const meta = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Meta
  const wanted = { ...meta.peerDependencies, '@types/node': meta.devDependencies['@types/node'] }
  return Object.entries(wanted).map(([name, range]) => `${name}@${range}`)
}

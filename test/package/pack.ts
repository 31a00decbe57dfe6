/**
 * Before the first test: the package as npm would publish it, once for all files, and the compilers, bundlers and test
 * runners of others, which stand in folders with lock files of their own.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import { installPackages } from '../../scripts/private-packages.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The packed package: a path. */
    readonly tarball: string
  }
}

const root = join(import.meta.dirname, '../..')

export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  for (const packages of ['packages', 'runners/packages'])
    installPackages(join(import.meta.dirname, packages))
  const folder = await mkdtemp(join(tmpdir(), 'onehop-packed-'))
  const flags = ['pack', '--json', '--pack-destination', folder]
  const { stdout } = await promisify(execFile)('npm', flags, { cwd: root })
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('['))) as { filename: string }[]
  provide('tarball', join(folder, packed?.filename ?? ''))
  return () => rm(folder, { recursive: true, force: true })
}

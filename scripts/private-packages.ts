/**
 * Packages that few commands need stand in a folder with a lock file of its own, and are installed on first use: they do
 * not bloat `npm ci` of the project.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** @throws Error if npm fails; what it printed says why */
export function installPackages(folder: string): void {
  if (isInstalled(folder)) return
  const flags = ['ci', '--prefix', folder, '--no-audit', '--no-fund']
  const { status, error } = spawnSync('npm', flags, { cwd: folder, stdio: 'inherit' })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`npm ci in ${folder} ended with ${status}`)
}

/** npm leaves a lock file in `node_modules`, written last: one older than the committed one is of another version. */
function isInstalled(folder: string): boolean {
  const installed = join(folder, 'node_modules/.package-lock.json')
  const committed = join(folder, 'package-lock.json')
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(committed).mtimeMs
}

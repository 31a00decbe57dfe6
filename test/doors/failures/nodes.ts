import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** The versions that the package supports. */
export const MAJORS = [22, 24, 26] as const

const paths = new Map<number, Promise<string>>()

/** The binary of a version of Node, which npx downloads if it is not this one. */
export function nodeOf(major: number): Promise<string> {
  const known = paths.get(major) ?? find(major)
  paths.set(major, known)
  return known
}

async function find(major: number): Promise<string> {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath
  const args = ['-y', `node@${major}`, '-p', 'process.execPath']
  const { stdout } = await promisify(execFile)('npx', args, { timeout: 120_000 })
  return stdout.trim()
}

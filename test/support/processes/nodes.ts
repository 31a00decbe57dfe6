/** The supported versions of Node. `npx` finds or downloads each once; a program starts faster by itself than by npx. */
import { execFileSync } from 'node:child_process'

export const MAJORS = ['22', '24', '26'] as const

const found = new Map<string, string>()

/** Path of a Node of this major version. */
export function nodeOf(major: string): string {
  const own = process.versions.node.startsWith(`${major}.`) ? process.execPath : undefined
  const path = found.get(major) ?? own ?? findNode(major)
  found.set(major, path)
  return path
}

function findNode(major: string): string {
  const flags = ['-y', `node@${major}`, '--print', 'process.execPath']
  return execFileSync('npx', flags, { encoding: 'utf8', env: { ...process.env, NODE_OPTIONS: '' } }).trim()
}

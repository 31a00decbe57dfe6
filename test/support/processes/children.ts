/** Processes that a test starts. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'

/** Of a process that is not to have the loaders and inspectors of this one. */
export function inheritedEnv(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, ...env } = process.env
  return env
}

export function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/**
 * Ends a process, and returns when it has ended.
 * @param withinMs how long SIGTERM may take before SIGKILL follows [SIGKILL at once]
 */
export async function end(child: ChildProcess, withinMs?: number): Promise<void> {
  if (!isRunning(child)) return
  const gone = once(child, 'exit')
  child.kill(withinMs === undefined ? 'SIGKILL' : 'SIGTERM')
  const overdue = withinMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), withinMs)
  await gone
  clearTimeout(overdue)
}

/** What a process has written by its end, and its exit code; null: ended by a signal. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** @throws Error if it cannot be started */
export async function ended(child: ChildProcess): Promise<Ended> {
  const written = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]?.setEncoding('utf8').on('data', (text: string) => (written[stream] += text))
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...written }
}

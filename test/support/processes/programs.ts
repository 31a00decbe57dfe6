/** Programs that a test runs in a Node of their own, on the sources. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { vi } from 'vitest'

/**
 * For one that hangs, and many times what one takes on an idle machine: beside two other suites, loading the sources alone
 * takes ten seconds and more.
 */
const MAX_PROGRAM_MS = 100_000

/** Call it at the top of a file whose tests or hooks wait for processes: such a process may take its time. */
export function allowForProcesses(): void {
  vi.setConfig({ testTimeout: 1.2 * MAX_PROGRAM_MS, hookTimeout: 1.2 * MAX_PROGRAM_MS })
}

interface Printed {
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs a program to its end.
 * @param flags of Node, and the file
 * @throws Error if it fails, or does not end in time
 */
export function runNode(flags: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Printed> {
  return promisify(execFile)(process.execPath, ['--conditions=onehop:source', ...flags], {
    env,
    cwd: new URL('../../..', import.meta.url).pathname,
    timeout: MAX_PROGRAM_MS,
    killSignal: 'SIGKILL',
  })
}

/** The same with the text of a module. @returns what it prints */
export async function runModule(text: string, env?: NodeJS.ProcessEnv): Promise<string> {
  return (await runNode(['--input-type=module', '--eval', text], env)).stdout
}

import { execFile, type ExecFileOptions } from 'node:child_process'
import { promisify } from 'node:util'

/** For a program that ends by itself: less than a test may take, and many times what it takes on an idle machine. */
export const ENDS_WITHIN_MS = 100_000

/**
 * Runs a program by this Node until it ends by itself.
 * @param args with the flags of Node
 * @returns its stdout
 * @throws Error with its stderr if its exit code is not 0, or if it does not end
 */
export async function outputOf(args: readonly string[], options: ExecFileOptions = {}): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    ...options,
    encoding: 'utf8',
    timeout: ENDS_WITHIN_MS,
  })
  return stdout
}

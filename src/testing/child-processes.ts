import type { ChildProcess } from 'node:child_process'

/** One that is stopped would not notice that this process ends. */
const running = new Set<ChildProcess>()

function killRunning(): void {
  for (const child of running) child.kill('SIGKILL')
}

/** Kills the child when this process exits. */
export function endWithThisProcess(child: ChildProcess): void {
  if (running.size === 0) process.on('exit', killRunning)
  running.add(child)
  const forget = (): void => {
    running.delete(child)
    if (running.size === 0) process.off('exit', killRunning)
  }
  child.once('exit', forget)
  // Without a pid it never began, and there will be no exit.
  child.on('error', () => child.pid === undefined && forget())
}

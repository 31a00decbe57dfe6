/**
 * Processes end with the one that started them, but a stopped one does not notice. So whoever interrupts a run ends
 * them, by their ids.
 */
const ours = new Set<number>()

export function killOnInterruption(...pids: readonly (number | undefined)[]): void {
  if (ours.size === 0) for (const signal of SIGNALS) process.once(signal, interrupted)
  for (const pid of pids) if (pid !== undefined) ours.add(pid)
}

/** Before its id can be another's. */
export function hasEnded(...pids: readonly (number | undefined)[]): void {
  for (const pid of pids) if (pid !== undefined) ours.delete(pid)
  if (ours.size === 0) for (const signal of SIGNALS) process.off(signal, interrupted)
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

function interrupted(signal: NodeJS.Signals): void {
  for (const pid of ours) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended.
    }
  }
  // Without this listener the signal does what it does.
  process.kill(process.pid, signal)
}

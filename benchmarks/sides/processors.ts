/**
 * Keeps the tasks and the sides on processors of their own. With one request in flight the scheduler otherwise moves both
 * ends between processors, and the same code costs up to twice as much in one slice as in the next.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** What `fork` needs to start Node on one processor; nothing where that is not possible. */
export type Placed = { readonly execPath?: string; readonly execArgv?: string[] }

/** @returns for the tasks and for the sides. Empty without `taskset` of util-linux, or with a single processor. */
export function processors(): { readonly tasks: Placed; readonly sides: Placed } {
  const [first, second] = allowed()
  if (first === undefined || second === undefined || spawnSync('taskset', ['--version']).status !== 0)
    return { tasks: {}, sides: {} }
  return { tasks: on(second), sides: on(first) }
}

function on(processor: number): Placed {
  const execArgv = ['--cpu-list', String(processor), process.execPath, ...process.execArgv]
  return { execPath: 'taskset', execArgv }
}

/** The processors that this process may use. proc(5) lists them as `0-3,8`. */
function allowed(): number[] {
  let status: string
  try {
    status = readFileSync('/proc/self/status', 'utf8')
  } catch {
    return []
  }
  const list = /^Cpus_allowed_list:\s*(.+)$/m.exec(status)?.[1] ?? ''
  return list.split(',').flatMap((range) => {
    const [from = Number.NaN, to = from] = range.split('-').map(Number)
    return Array.from({ length: Math.min(2, to - from + 1) }, (_, index) => from + index)
  })
}

import { readFile } from 'node:fs/promises'
import { fine, unchecked, warning, type ProcessCheck } from '../check.ts'

/** A service that takes 1,000 calls at a time and makes one of its own for each needs 2,000, and its logs and files besides. */
const MIN_DESCRIPTORS = 4_096

/** How many files and sockets this process may open. Node raises the soft limit to the hard one at its start. */
export const descriptors: ProcessCheck = {
  title: 'file descriptors',
  async run() {
    const limit = (await fromProc()) ?? fromReport()
    if (limit === undefined) return unchecked('the limit is unknown')
    if (limit >= MIN_DESCRIPTORS)
      return fine(limit === Number.POSITIVE_INFINITY ? 'no limit' : `${limit} may be open`)
    return warning('descriptors-short', {
      what: `this process may open ${limit} files and sockets`,
      cause: 'The hard limit (nofile) of the container is low. Each connection takes one, in and out.',
      remedy: `Set ulimits in the task definition: { name: "nofile", softLimit: 65535, hardLimit: 65535 }. At least ${MIN_DESCRIPTORS}.`,
    })
  },
}

async function fromProc(): Promise<number | undefined> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => '')
  return limitOf(/^Max open files +(?<soft>\S+)/m.exec(text)?.groups?.['soft'])
}

/** Where there is no /proc: macOS. */
function fromReport(): number | undefined {
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: string | number } } }
  return limitOf(report.userLimits?.open_files?.soft)
}

function limitOf(value: string | number | undefined): number | undefined {
  if (value === 'unlimited') return Number.POSITIVE_INFINITY
  const limit = Number(value ?? Number.NaN)
  return Number.isFinite(limit) ? limit : undefined
}

import { inTime } from '../../core/async/with-timeout.ts'
import { reasonOf } from '../../core/errors.ts'
import type { ExitCode } from '../command.ts'
import { attentiveClock } from '../endpoints/busy-start.ts'
import { inCommandWords } from '../terminal/command-words.ts'
import type { Io } from '../terminal/io.ts'
import { problem, type Examined, type Finding, type Result } from './check.ts'
import { hostChecks, processChecks } from './checks.ts'
import { hostContext, processContext, type DoctorValues } from './context.ts'
import { doctorJson, reportLines } from './show.ts'

/** A check takes a lookup, a connection with TLS, and an answer. Each has its own limit. */
const TIMEOUTS = 3
/** For a process that is busy. */
const GRACE_MS = 5_000

interface Planned {
  readonly title: string
  readonly host: string | undefined
  readonly run: () => Promise<Result | Finding>
}

/**
 * Runs all checks side by side, each within its time limit, and prints what they found. After an interruption it prints what
 * there is.
 */
export async function examine(hosts: readonly string[], options: DoctorValues, io: Io): Promise<ExitCode> {
  const common = processContext(options, io)
  const contexts = hosts.map((host) => hostContext(host, common))
  const planned: Planned[] = [
    ...processChecks.map(({ title, run }) => ({ title, host: undefined, run: () => run(common) })),
    ...contexts.flatMap((context) =>
      hostChecks.map(({ title, run }) => ({ title, host: context.target.host, run: () => run(context) })),
    ),
  ]
  const limitMs = TIMEOUTS * options.timeout + GRACE_MS
  let done = 0
  io.progress.set('checks', 0)
  const examined = await Promise.all(
    planned.map(async (check) => {
      const result = await examineOne(check, limitMs, io.signal)
      io.progress.set('checks', ++done / planned.length)
      return result
    }),
  )
  io.progress.clear()
  await Promise.all(contexts.map(({ api }) => api.close()))
  if (options.json) io.json(doctorJson(examined), 2)
  else io.print(...reportLines(examined, io.out))
  return examined.some(({ findings }) => findings.length > 0) ? 1 : 0
}

async function examineOne(
  { title, host, run }: Planned,
  limitMs: number,
  signal: AbortSignal,
): Promise<Examined> {
  const late = (): Error => new Error(`not done within ${limitMs} ms`)
  try {
    const limit = { clock: attentiveClock, limitMs, signal, late }
    const result = await inTime(limit, run)
    const { facts, findings, isChecked = true } = 'id' in result ? { facts: [], findings: [result] } : result
    return { check: title, host, facts, findings: findings.map(inOwnWords), isChecked, isDone: true }
  } catch (error) {
    const nothing = { check: title, host, facts: [], isChecked: false }
    if (signal.aborted) return { ...nothing, findings: [], isDone: false }
    return { ...nothing, findings: [unfinished(inCommandWords(reasonOf(error)))], isDone: true }
  }
}

function inOwnWords(finding: Finding): Finding {
  return { ...finding, what: inCommandWords(finding.what) }
}

function unfinished(reason: string): Finding {
  return problem('check-failed', {
    what: `this check could not be done: ${reason}`,
    cause: 'Something that it depends on hangs or fails: see the other findings.',
    remedy: 'Mend the others first, or give it more time: --timeout MS.',
  })
}

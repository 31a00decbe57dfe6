import { lstat, open, rm, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { evaluate } from '../../bench/assertions/evaluate.ts'
import type { Assertion } from '../../bench/assertions/parse.ts'
import { buildReport } from '../../bench/report/build.ts'
import { htmlReport } from '../../bench/report/html/page.ts'
import type { Where } from '../../bench/report/report.ts'
import { runArms, type Phase } from '../../bench/run.ts'
import type { BenchSettings } from '../../bench/settings.ts'
import { currentDate, systemClock } from '../../core/clock.ts'
import { NotOnEcsError, self, type Task } from '../../ecs/index.ts'
import type { ExitCode } from '../command.ts'
import { UsageError } from '../options/option.ts'
import { inCommandWords } from '../terminal/command-words.ts'
import type { Io } from '../terminal/io.ts'
import { ownVersion } from '../terminal/own-version.ts'
import { summaryLines } from './summary.ts'

interface Outputs {
  readonly json: boolean
  /** The file of the page. */
  readonly html: string | undefined
  readonly assert: readonly Assertion[]
}

/** Runs the benchmark, and prints and writes its report. */
export async function measure(settings: BenchSettings, outputs: Outputs, io: Io): Promise<ExitCode> {
  const { html } = outputs
  if (html !== undefined) await checkWritable(html)
  try {
    return await report(settings, outputs, io)
  } catch (error) {
    if (html !== undefined) await removeEmpty(html)
    throw error
  }
}

async function report(settings: BenchSettings, { html, json, assert }: Outputs, io: Io): Promise<ExitCode> {
  const startedAt = currentDate().toISOString()
  const where = { ...(await placeOf(settings, io)), startedAt }
  const { progress } = io
  const run = await runArms(settings, {
    clock: systemClock,
    signal: io.signal,
    onPhase: ({ name, done, leftMs }) => progress.set(LABELS[name], done, leftMs),
    onNote: (note) => io.note(inCommandWords(note, 'bench')),
  }).finally(() => progress.clear())
  const notes = run.notes.map((note) => inCommandWords(note, 'bench'))
  const measured = buildReport({ ...run, notes }, settings, where)
  const assertions = assert.map((assertion) => evaluate(assertion, measured.arms))
  const whole = { ...measured, assertions }
  if (json) io.json(whole, 2)
  else io.print(...summaryLines(whole, io.out))
  // After the summary: a full disk must not lose both.
  if (html !== undefined) {
    await writeFile(html, htmlReport(whole))
    io.note(`The report is in ${html}`)
  }
  return assertions.every(({ holds }) => holds === true) ? 0 : 1
}

const LABELS: Readonly<Record<Phase['name'], string>> = {
  connections: 'new connections',
  'warm-up': 'warm-up',
  load: 'measuring',
}

/**
 * Before the run: minutes of measuring must not be lost to a folder that is not there. Leaves what is in the file.
 * @throws UsageError
 */
async function checkWritable(file: string): Promise<void> {
  try {
    const handle = await open(file, 'a')
    await handle.close()
  } catch (error) {
    throw new UsageError(`--html: cannot write "${file}": ${(error as Error).message}`)
  }
}

/** Of a run that could not begin: no empty page is left. A device, such as /dev/stdout, stays. */
async function removeEmpty(file: string): Promise<void> {
  const found = await lstat(file).catch(() => undefined)
  if (found?.isFile() === true && found.size === 0) await rm(file)
}

async function placeOf(
  { zone }: BenchSettings,
  io: Io,
): Promise<Omit<Where, 'url' | 'fallback' | 'startedAt'>> {
  const task = await taskOf(io)
  return {
    onehop: await ownVersion(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpus: availableParallelism(),
    task: task === undefined ? null : `${task.cluster}/${task.family}/${task.id}`,
    zone: zone ?? task?.zone ?? null,
  }
}

/** undefined outside of ECS, and where the metadata cannot be read: the report has less to say then. */
async function taskOf(io: Io): Promise<Task | undefined> {
  try {
    return await self()
  } catch (error) {
    if (!(error instanceof NotOnEcsError)) io.note(`The task is not known: ${(error as Error).message}`)
    return undefined
  }
}

import { availableParallelism } from 'node:os'
import { open, type FileHandle } from 'node:fs/promises'
import { evaluate } from '../bench/assertions/evaluate.ts'
import { buildReport } from '../bench/report/build.ts'
import { htmlReport } from '../bench/report/html/page.ts'
import type { Where } from '../bench/report/report.ts'
import { runArms, type Phase } from '../bench/run.ts'
import { currentDate, systemClock } from '../core/clock.ts'
import { NotOnEcsError, self, type Task } from '../ecs/index.ts'
import { benchFlags, type BenchFlags } from './bench/flags.ts'
import { settingsOf } from './bench/settings.ts'
import { printSummary } from './bench/summary.ts'
import { define, type Command } from './command.ts'
import type { Values } from './options/option.ts'
import type { Io } from './terminal/io.ts'
import type { Progress } from './terminal/progress.ts'

const bench: Command = define({
  operands: { name: 'URL', min: 1, max: 1 },
  description: [
    'Calls the service directly and through its load balancer, in random order and on a schedule, and reports the difference',
    'in ms with intervals, and in dollars. A second copy of one arm shows whether the method works here. docs/bench.md',
    'describes the method. Run it where the caller runs: on a task with at least 1 vCPU.',
  ].join('\n'),
  options: benchFlags,
  examples: [
    {
      line: 'onehop bench http://orders.shop.local:8080/health --fallback http://internal-orders.eu-west-1.elb.amazonaws.com --html report.html',
      does: 'direct against an ALB for five minutes, with a page to keep',
    },
    {
      line: "onehop bench http://orders.shop.local/ --fallback https://orders.example.com --assert 'p99(direct) <= 1.05 * p99(fallback)'",
      does: 'exit code 1 if the direct path is slower by more than 5 %',
    },
    {
      line: 'onehop bench http://orders.shop.local/ --fallback http://alb.example.com --calls-per-second 5000 --callers 40',
      does: 'the cost for your own volume',
    },
  ],
  async run(args, io) {
    const settings = settingsOf(args)
    const { options } = args
    const page = options.html === undefined ? undefined : await created(options.html)
    try {
      const startedAt = currentDate()
      const where = await placeOf(options)
      const bars = new Bars(io)
      const run = await runArms(settings, {
        clock: systemClock,
        signal: io.signal,
        onPhase: (phase) => bars.show(phase),
        onNote: (note) => io.note(note),
      }).finally(() => bars.end())
      const measured = buildReport(run, settings, { ...where, startedAt: startedAt.toISOString() })
      const assertions = options.assert.map((assertion) => evaluate(assertion, measured.arms))
      const report = { ...measured, assertions }
      await page?.writeFile(htmlReport(report))
      if (options.json) io.json(report, 2)
      else printSummary(report, io)
      if (options.html !== undefined) io.note(`The report is in ${options.html}`)
      return assertions.every(({ holds }) => holds === true) ? 0 : 1
    } finally {
      await page?.close()
    }
  },
})

export default bench

/** Before the run: five minutes of measuring must not be lost to a folder that is not there. */
async function created(file: string): Promise<FileHandle> {
  return open(file, 'w')
}

async function placeOf({ zone }: Values<BenchFlags>): Promise<Omit<Where, 'url' | 'fallback' | 'startedAt'>> {
  const { default: meta } = (await import('onehop/package.json', { with: { type: 'json' } })) as {
    readonly default: { readonly version: string }
  }
  const task = await taskOf()
  return {
    onehop: meta.version,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpus: availableParallelism(),
    task: task === undefined ? null : `${task.cluster}/${task.family}/${task.id}`,
    zone: zone ?? task?.zone ?? null,
  }
}

/** undefined outside of ECS. */
async function taskOf(): Promise<Task | undefined> {
  try {
    return await self()
  } catch (error) {
    if (error instanceof NotOnEcsError) return undefined
    throw error
  }
}

const LABELS: Readonly<Record<Phase['name'], string>> = {
  connections: 'new connections',
  'warm-up': 'warm-up',
  load: 'measuring',
}

/** One bar for each phase. */
class Bars {
  readonly #io: Io
  #phase: Phase['name'] | undefined = undefined
  #bar: Progress | undefined = undefined

  constructor(io: Io) {
    this.#io = io
  }

  show({ name, done, leftMs }: Phase): void {
    if (name !== this.#phase) {
      this.end()
      this.#phase = name
      this.#bar = this.#io.progress(LABELS[name])
    }
    this.#bar?.set(done, leftMs)
  }

  end(): void {
    this.#bar?.end()
  }
}

import type { Order, Tally } from './order.ts'

/** What came of one run of the scenario. */
export interface Run {
  readonly side: Order['side']
  /** `http 22` */
  readonly where: string
  readonly tallies: readonly Tally[]
}

type Count = (tally: Tally) => number

const COLUMNS: readonly (readonly [string, Count])[] = [
  ['GET failed', ({ GET }) => GET.failed],
  ['POST failed', ({ POST }) => POST.failed],
  ['slow', ({ GET, POST }) => GET.slow + POST.slow],
]

/** In Markdown: a row for each library, `without → with`, over all runs and by run. */
export function tableOf(runs: readonly Run[], libraries: readonly string[]): string {
  const places = [...new Set(runs.map(({ where }) => where))]
  const sum = (side: Order['side'], library: string | undefined, count: Count, where?: string): number =>
    runs
      .filter((run) => run.side === side && (where === undefined || run.where === where))
      .flatMap(({ tallies }) => tallies.filter((tally) => library === undefined || tally.library === library))
      .reduce((total, tally) => total + count(tally), 0)
  const failed: Count = ({ GET, POST }) => GET.failed + POST.failed
  const cell = (library: string | undefined, count: Count, where?: string): string =>
    `${sum('without', library, count, where)} → ${sum('onehop', library, count, where)}`
  const rowOf = (title: string, library: string | undefined): string[] => [
    title,
    ...COLUMNS.map(([, count]) => cell(library, count)),
    ...places.map((where) => cell(library, failed, where)),
  ]
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const head = ['library', ...COLUMNS.map(([title]) => title), ...places]
  return [
    line(head),
    `|---|${'--:|'.repeat(head.length - 1)}`,
    ...libraries.map((library) => line(rowOf(library, library))),
    line(rowOf('all', undefined)),
  ].join('\n')
}

/** How calls failed, by method and code, with the most frequent first. */
export function errorsOf(runs: readonly Run[], side: Order['side']): string {
  const errors = new Map<string, number>()
  for (const run of runs)
    if (run.side === side)
      for (const tally of run.tallies)
        for (const [name, count] of Object.entries(tally.errors))
          errors.set(name, (errors.get(name) ?? 0) + count)
  const sorted = [...errors].toSorted(([, one], [, other]) => other - one)
  return sorted.map(([name, count]) => `${name}: ${count}`).join(', ') || 'none'
}

/** Result of one part of a benchmark, as JSON and as a table. */

export type Cell = string | number | null

/** null: does not apply, shown as a dash. */
export type Row = Readonly<Record<string, Cell>>

export interface Report {
  readonly name: string
  readonly title: string
  /** Headings by key of the rows, in display order. */
  readonly columns: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
  /** What a reader has to know to read the numbers. */
  readonly notes: readonly string[]
}

/** Duration of the parts: long enough for results, or just long enough to see that they run. */
export interface Effort {
  readonly quick: boolean
}

export function table({ title, columns, rows, notes }: Report): string {
  const keys = Object.keys(columns)
  const texts = [Object.values(columns), ...rows.map((row) => keys.map((key) => textOf(row[key] ?? null)))]
  const isNumeric = keys.map((key) => rows.every((row) => typeof row[key] !== 'string'))
  const widths = keys.map((_, column) => Math.max(...texts.map((line) => line[column]?.length ?? 0)))
  const lines = texts.map((line) =>
    line
      .map((text, column) => {
        const width = widths[column] ?? 0
        return isNumeric[column] === true ? text.padStart(width) : text.padEnd(width)
      })
      .join('  ')
      .trimEnd(),
  )
  const rule = widths.map((width) => '-'.repeat(width)).join('  ')
  const [head = '', ...body] = lines
  return [title, '', head, rule, ...body, '', ...notes.map((note) => `* ${note}`)].join('\n')
}

/** Three significant digits: measurements are not more exact. */
function textOf(cell: Cell): string {
  if (cell === null) return '-'
  if (typeof cell === 'string') return cell
  if (Math.abs(cell) >= 100 || Number.isInteger(cell)) return Math.round(cell).toLocaleString('en')
  return String(Number(cell.toPrecision(3)))
}

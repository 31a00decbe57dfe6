/** What a part of the benchmark found out, as JSON and as a table. */

export type Cell = string | number | null

/** null is what does not apply, told as a dash. */
export type Row = Readonly<Record<string, Cell>>

export interface Report {
  readonly name: string
  readonly title: string
  /** Headings by the keys of the rows, in the order in which they are shown. */
  readonly columns: Readonly<Record<string, string>>
  readonly rows: readonly Row[]
  /** What a reader has to know in order to read the numbers right. */
  readonly notes: readonly string[]
}

/** How long the parts may take: enough to be trusted, or enough to see that they run. */
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

/** Three significant digits: the machine gives no more. */
function textOf(cell: Cell): string {
  if (cell === null) return '-'
  if (typeof cell === 'string') return cell
  if (Math.abs(cell) >= 100 || Number.isInteger(cell)) return Math.round(cell).toLocaleString('en')
  return String(Number(cell.toPrecision(3)))
}

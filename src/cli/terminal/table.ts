const { stripVTControlCharacters } = process.getBuiltinModule('node:util')

interface Layout {
  /** Columns that are aligned to the right [none]. */
  readonly right?: readonly number[]
  readonly indent?: string
  /** How the first line is shown [as it is]. */
  readonly head?: (line: string) => string
}

/** Columns are as wide as their longest cell. */
export function table(
  rows: readonly (readonly string[])[],
  { right = [], indent = '', head = (line) => line }: Layout = {},
): string[] {
  const widths: number[] = []
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, widthOf(cell))
  return rows.map((row, index) => {
    const cells = row.map((cell, column) => padded(cell, widths[column] ?? 0, right.includes(column)))
    const line = (indent + cells.join('  ')).trimEnd()
    return index === 0 ? head(line) : line
  })
}

function padded(cell: string, width: number, toRight: boolean): string {
  const space = ' '.repeat(width - widthOf(cell))
  return toRight ? space + cell : cell + space
}

/** Without colours. */
function widthOf(cell: string): number {
  return stripVTControlCharacters(cell).length
}

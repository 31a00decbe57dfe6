const { stripVTControlCharacters } = process.getBuiltinModule('node:util')

/** Columns are as wide as their longest cell; those named in `right` are aligned to the right. */
export function table(
  rows: readonly (readonly string[])[],
  { right = [], indent = '' }: { readonly right?: readonly number[]; readonly indent?: string } = {},
): string[] {
  const widths: number[] = []
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, widthOf(cell))
  return rows.map((row) =>
    (
      indent + row.map((cell, index) => padded(cell, widths[index] ?? 0, right.includes(index))).join('  ')
    ).trimEnd(),
  )
}

function padded(cell: string, width: number, toRight: boolean): string {
  const space = ' '.repeat(width - widthOf(cell))
  return toRight ? space + cell : cell + space
}

/** Without colours. */
function widthOf(cell: string): number {
  return stripVTControlCharacters(cell).length
}

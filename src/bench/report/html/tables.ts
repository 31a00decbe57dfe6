import { percentileName } from '../../statistics/percentiles.ts'
import { PATH_LABELS } from '../conclusions.ts'
import { bytes, count, digits, dollars } from '../numbers.ts'
import type { BenchReport, Difference } from '../report.ts'
import { countTable, zoneTable, type Cell } from '../tables.ts'
import { html, Markup } from './markup.ts'

export function zones(report: BenchReport): Markup {
  const known = zoneTable(report)
  return known.rows.length === 0
    ? html`<p>The zones of the tasks are not known: discovery by the API reports them.</p>`
    : table('zones', known)
}

export function counts(report: BenchReport): Markup {
  const words = { perCallHead: 'a call', kindsHead: 'kinds of failures', perCall: bytes }
  return table('counts', countTable(report, { ...words, kind: (kind, calls) => `${kind}: ${count(calls)}` }))
}

export function differences({ comparisons }: BenchReport): Markup {
  const rows = comparisons.flatMap(({ arm, baseline, isControl, percentiles }) =>
    percentiles.map((difference, index) => [
      html`<td>
        ${index === 0 ? `${arm} − ${baseline}` : ''}${index === 1 && isControl ? html`<small>must not differ</small>` : ''}
      </td>`,
      percentileName(difference.share),
      differenceCell(difference),
    ]),
  )
  return table('differences', { heads: ['arms', 'at', 'result'], rows })
}

const VERDICT_CLASSES: Readonly<Record<Difference['verdict']['kind'], string>> = {
  faster: 'faster',
  slower: 'slower',
  'no-difference-seen': 'unknown',
  'cannot-tell': 'unknown',
}

function differenceCell({ differenceMs, interval, sentence, verdict }: Difference): Markup {
  const measured =
    differenceMs === null || interval === null
      ? ''
      : `${digits(differenceMs)} (${digits(interval.low)} to ${digits(interval.high)})`
  return html`<td class="wrap ${VERDICT_CLASSES[verdict.kind]}">${sentence}<small>${measured}</small></td>`
}

export function costs({ cost }: BenchReport): Markup {
  const rows = cost.paths.flatMap(({ path, perMonth, items }) => [
    [html`<td class="sum">${PATH_LABELS[path]}</td>`, html`<td class="sum">${dollars(perMonth)}</td>`, ''],
    ...items.map((item) => [html`<td class="part">${item.name}</td>`, dollars(item.perMonth), item.because]),
  ])
  return table('cost', { heads: ['path', 'a month', 'how it comes about'], rows })
}

/** Columns of text, by their heads. */
const TEXTS: Readonly<Record<string, 'left' | 'wrap'>> = {
  task: 'left',
  zone: 'left',
  result: 'wrap',
  'how it comes about': 'wrap',
  'kinds of failures': 'wrap',
}

interface HtmlTable {
  readonly heads: readonly string[]
  /** Markup is a whole cell. */
  readonly rows: readonly (readonly (Cell | Markup)[])[]
}

/** Wide tables scroll by themselves, not the page. */
export function table(id: string, { heads, rows }: HtmlTable): Markup {
  const cells = (row: HtmlTable['rows'][number]): Markup[] =>
    row.map((cell, column) => cellOf(cell, TEXTS[heads[column] ?? '']))
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${id}">
    <table id="${id}">
      <thead>
        <tr>
          ${heads.map((head) => html`<th class="${head in TEXTS ? 'left' : ''}">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${cells(row)}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`
}

function cellOf(cell: Cell | Markup, className?: string): Markup {
  if (cell instanceof Markup) return cell
  if (cell === null) return html`<td>–</td>`
  if (typeof cell === 'string')
    return className === undefined ? html`<td>${cell}</td>` : html`<td class="${className}">${cell}</td>`
  if (typeof cell === 'number') return html`<td>${digits(cell)}</td>`
  if ('medianMs' in cell)
    return html`<td>
      ${digits(cell.medianMs)}<small>${digits(cell.minMs)} to ${digits(cell.maxMs)}</small>
    </td>`
  const { ms, interval } = cell
  if (ms === null) return html`<td class="unknown">cannot tell</td>`
  const between = interval === null ? '' : `${digits(interval.low)} to ${digits(interval.high)}`
  return html`<td>${digits(ms)}<small>${between}</small></td>`
}

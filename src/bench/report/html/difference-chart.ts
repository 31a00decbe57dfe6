import type { Interval } from '../../statistics/bootstrap.ts'
import { percentileName } from '../../statistics/percentiles.ts'
import { digits, ms } from '../numbers.ts'
import type { BenchReport } from '../report.ts'
import { columns, responsive, round } from './chart.ts'
import { html, type Markup } from './markup.ts'
import { linearScale } from './scale.ts'

const ROW = 34
const TOP = 8
const BOTTOM = 44

interface Row {
  readonly name: string
  readonly label: string
  readonly differenceMs: number | null
  readonly interval: Interval
}

/** One small chart for each percentile: the intervals of the differences, and zero. */
export function differenceCharts(report: BenchReport): Markup {
  const shares = report.comparisons[0]?.percentiles.map(({ share }) => share) ?? []
  const charts = shares.flatMap((share) => {
    const rows = report.comparisons.flatMap(({ arm, baseline, percentiles }): Row[] => {
      const { differenceMs = null, interval = null } = percentiles.find((one) => one.share === share) ?? {}
      return interval === null ? [] : [{ name: arm, label: `${arm} − ${baseline}`, differenceMs, interval }]
    })
    return rows.length === 0
      ? []
      : [
          html`<figure>
            <figcaption>${percentileName(share)}</figcaption>
            ${chart(share, rows)}
          </figure>`,
        ]
  })
  return charts.length === 0
    ? html`<p>No percentile has enough calls for an interval.</p>`
    : html`<div class="panels">${charts}</div>`
}

function chart(share: number, rows: readonly Row[]): Markup {
  const label = `Differences at ${percentileName(share)}`
  return responsive(label, (full) => {
    // Two panels beside each other where there is room.
    const width = full > 500 ? full / 2 - 20 : full
    const height = TOP + rows.length * ROW + BOTTOM
    const bounds = rows.flatMap(({ interval }) => [interval.low, interval.high])
    const [low, high] = [Math.min(0, ...bounds), Math.max(0, ...bounds)]
    const margin = (high - low || 1) * 0.08
    const scale = linearScale(low - margin, high + margin, { from: 8, to: width - 8 }, 5)
    const floor = height - BOTTOM
    const text = (tick: number): string => `${tick > 0 ? '+' : ''}${digits(tick)}`
    const zero = round(scale.at(0))
    const marks = rows.map(
      ({ name, label: pair, differenceMs, interval: { low: from, high: to } }, index) => {
        const y = TOP + index * ROW + 24
        const middle = round(scale.at(differenceMs ?? 0))
        return html`<text x="8" y="${y - 10}">${pair}</text
          ><line
            class="line ${name}"
            x1="${round(scale.at(from))}"
            x2="${round(scale.at(to))}"
            y1="${y}"
            y2="${y}"
            ><title>${digits(from)} to ${ms(to)}</title></line
          ><circle class="point ${name}" cx="${middle}" cy="${y}" r="4" />`
      },
    )
    const content = html`${columns({ scale, text }, TOP, floor)}<line
        class="zero"
        x1="${zero}"
        x2="${zero}"
        y1="${TOP}"
        y2="${floor}"
      />${marks}<text class="axis" x="${width - 8}" y="${height - 8}" text-anchor="end"
        >ms; left of 0: faster</text
      >`
    return { height, width, content }
  })
}

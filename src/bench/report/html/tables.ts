import { percentileName } from '../../statistics/percentiles.ts'
import { PATH_LABELS } from '../conclusions.ts'
import { COUNT_COLUMNS, countsOf } from '../counts.ts'
import { bytes, count, digits, dollars, percent } from '../numbers.ts'
import type { ArmReport, BenchReport, Difference, PercentileReport, Spread } from '../report.ts'
import { html, type Markup } from './markup.ts'

const DASH = '–'

export function latencyTable({ arms }: BenchReport): Markup {
  const shares = arms[0]?.latency.map(({ share }) => percentileName(share)) ?? []
  const rows = arms.map(
    ({ label, latency, maxMs, service, calls }) =>
      html`<tr>
        <td>${label}</td>
        ${latency.map(percentileCell)}
        <td>${orDash(maxMs)}</td>
        ${service.slice(0, 1).map(percentileCell)}
        <td>${count(calls)}</td>
      </tr>`,
  )
  return table('latency', ['arm', ...shares, 'max', 'service p50', 'calls'], rows)
}

function percentileCell({ ms, interval }: PercentileReport): Markup {
  if (ms === null) return html`<td class="unknown">cannot tell</td>`
  const between = interval === null ? '' : `${digits(interval.low)} to ${digits(interval.high)}`
  return html`<td>${digits(ms)}<small>${between}</small></td>`
}

export function differenceTable({ comparisons }: BenchReport): Markup {
  const rows = comparisons.flatMap(({ arm, baseline, isControl, percentiles }) =>
    percentiles.map(
      (difference, index) =>
        html`<tr>
          <td>
            ${index === 0 ? `${arm} − ${baseline}` : ''}${index === 1 && isControl ? html`<small>must not differ</small>` : ''}
          </td>
          <td>${percentileName(difference.share)}</td>
          ${differenceCell(difference)}
        </tr>`,
    ),
  )
  return table('differences', ['arms', 'at', 'result'], rows)
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

export function setUpTable({ setUp }: BenchReport): Markup {
  const cell = (spread: Spread | null): Markup =>
    spread === null
      ? html`<td>${DASH}</td>`
      : html`<td>
          ${digits(spread.medianMs)}<small>${digits(spread.minMs)} to ${digits(spread.maxMs)}</small>
        </td>`
  const rows = setUp.map(
    (way) =>
      html`<tr>
        <td>${way.label}</td>
        ${[way.lookup, way.tcp, way.tls, way.tlsResumed, way.coldCall, way.warmCall].map(cell)}
        <td>${count(way.failed)}</td>
      </tr>`,
  )
  return table(
    'set-up',
    ['arm', 'lookup', 'TCP', 'TLS', 'TLS resumed', 'first call', 'second call', 'failed'],
    rows,
  )
}

export function upstreamTable({ arms }: BenchReport): Markup {
  const rows = arms.flatMap(({ label, byUpstream }) =>
    byUpstream.map(
      ({ name, zone, calls, share, p50Ms, p99Ms }) =>
        html`<tr>
          <td>${label}</td>
          <td class="left">${name}</td>
          <td class="left">${zone ?? 'unknown'}</td>
          <td>${count(calls)}</td>
          <td>${percent(share)}</td>
          <td>${orDash(p50Ms)}</td>
          <td>${orDash(p99Ms)}</td>
        </tr>`,
    ),
  )
  return table('tasks', ['arm', 'task', 'zone', 'calls', 'share', 'p50', 'p99'], rows)
}

export function zoneTable({ arms }: BenchReport): Markup {
  const rows = arms.flatMap(({ label, byZone }) =>
    byZone.map(
      ({ name, calls, share, p50Ms, p99Ms }) =>
        html`<tr>
          <td>${label}</td>
          <td class="left">${name}</td>
          <td>${count(calls)}</td>
          <td>${percent(share)}</td>
          <td>${orDash(p50Ms)}</td>
          <td>${orDash(p99Ms)}</td>
        </tr>`,
    ),
  )
  return rows.length === 0
    ? html`<p>The zones of the tasks are not known: discovery by the API reports them.</p>`
    : table('zones', ['arm', 'zone', 'calls', 'share', 'p50', 'p99'], rows)
}

export function countTable({ arms }: BenchReport): Markup {
  const rows = arms.map((arm) => {
    const perCall = arm.bytes.perCall === null ? DASH : bytes(arm.bytes.perCall)
    return html`<tr>
      <td>${arm.label}</td>
      ${countsOf(arm).map((number) => html`<td>${count(number)}</td>`)}
      <td>${perCall}</td>
      <td class="wrap">${kinds(arm)}</td>
    </tr>`
  })
  return table('counts', ['arm', ...COUNT_COLUMNS, 'a call', 'kinds of failures'], rows)
}

function kinds({ failures }: ArmReport): string {
  return failures.map(({ kind, calls }) => `${kind}: ${count(calls)}`).join(', ')
}

export function costTable({ cost }: BenchReport): Markup {
  const rows = cost.paths.flatMap(({ path, perMonth, items }) => [
    html`<tr class="sum">
      <td>${PATH_LABELS[path]}</td>
      <td>${dollars(perMonth)}</td>
      <td></td>
    </tr>`,
    ...items.map(
      ({ name, perMonth: part, because }) =>
        html`<tr class="part">
          <td>${name}</td>
          <td>${dollars(part)}</td>
          <td class="wrap">${because}</td>
        </tr>`,
    ),
  ])
  return table('cost', ['path', 'a month', 'how it comes about'], rows)
}

function orDash(value: number | null): string {
  return value === null ? DASH : digits(value)
}

/** Heads of columns with text. */
const LEFT: ReadonlySet<string> = new Set([
  'task',
  'zone',
  'result',
  'how it comes about',
  'kinds of failures',
])

/** Wide tables scroll by themselves, not the page. */
function table(id: string, heads: readonly string[], rows: readonly Markup[]): Markup {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${id}">
    <table id="${id}">
      <thead>
        <tr>
          ${heads.map((head) => html`<th class="${LEFT.has(head) ? 'left' : ''}">${head}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`
}

/** The report as one HTML file: no script runs, nothing is loaded, and it looks the same offline in ten years. */
import { PRICES_AS_OF } from '../../cost/prices.ts'
import { latenessSentence } from '../conclusions.ts'
import { bytes, count, duration, percent } from '../numbers.ts'
import type { AssertionResult, BenchReport } from '../report.ts'
import { latencyTable, setUpTable, taskTable } from '../tables.ts'
import { differenceCharts } from './difference-chart.ts'
import { distributionChart, timelineChart } from './latency-charts.ts'
import { html, Markup, jsonElement } from './markup.ts'
import { STYLE } from './style.ts'
import { costs, counts, differences, table, zones } from './tables.ts'

export function htmlReport(report: BenchReport): string {
  const { title, notices, conclusions, lateness, worse, limits, assertions, command } = report
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        />
        <link rel="icon" href="data:," />
        <title>${title}</title>
        <style>
          ${new Markup(STYLE)}
        </style>
      </head>
      <body>
        <h1>${title}</h1>
        ${notices.map((notice) => html`<p class="notice">${notice}</p>`)}
        <p class="soft">${settingOf(report)}</p>
        <ul class="answer">
          ${items(conclusions)}
        </ul>
        ${assertionList(assertions)}
        <h2>Latency</h2>
        <p class="soft">
          In ms, from when a call was due to the last byte of its response, with the interval below. Service:
          from when it was sent.
        </p>
        ${table('latency', latencyTable(report))}
        <h2>Differences</h2>
        <p class="soft">
          An interval holds the true difference in 95 of 100 runs. ${latenessSentence(lateness, 'at most')}
        </p>
        ${differences(report)} ${differenceCharts(report)}
        <h2>All latencies</h2>
        <p class="soft">A thin line: fewer than 100 calls were slower.</p>
        ${distributionChart(report)}
        <h2>Over time</h2>
        <p class="soft">Lines: the median. Dots: the slowest call.</p>
        ${timelineChart(report)}
        <h2>New connections</h2>
        <p class="soft">
          In ms: the median and the range of the tries. First call: of a client that knows nothing. Second
          call: on its connection.
        </p>
        ${table('set-up', setUpTable(report))}
        <h2>By task</h2>
        ${table('tasks', taskTable(report))}
        <h2>By zone</h2>
        ${zones(report)}
        <h2>Errors, retries, connections</h2>
        ${counts(report)}
        <h2>Cost</h2>
        <p class="soft">${costInputs(report)}</p>
        ${costs(report)}
        <h2>What is worse on the direct path</h2>
        <ul>
          ${items(worse)}
        </ul>
        <h2>What this run cannot tell</h2>
        <ul>
          ${items(limits)}
        </ul>
        <h2>To repeat it</h2>
        <pre>${command}</pre>
        ${jsonElement('report', report)}
      </body>
    </html> `
  return page.text
}

function items(lines: readonly string[]): Markup {
  return html`${lines.map((line) => html`<li>${line}</li>`)}`
}

function settingOf({ where, load }: BenchReport): string {
  const place =
    where.task === null ? `one machine (${where.platform}, ${where.cpus} CPUs)` : `task ${where.task}`
  const zone = where.zone === null ? '' : ` in ${where.zone}`
  const balancer = where.fallback === null ? '' : ` and through ${where.fallback}`
  return [
    `${load.method} ${where.url}${balancer}, from ${place}${zone}, ${where.startedAt}.`,
    `${count(load.calls)} calls, ${load.perSecond} a second (${load.arrivals}, seed ${load.seed}), for ${duration(load.durationMs - load.cutMs)} after ${duration(load.cutMs)} of warm-up.`,
    `onehop ${where.onehop}, Node ${where.node}.`,
  ].join(' ')
}

function costInputs({ cost: { inputs } }: BenchReport): string {
  const { dns, api } = inputs.remoteShare
  const crossing =
    dns === null || api === null
      ? 'unknown zones'
      : `${percent(dns)} (DNS) and ${percent(api)} (API) of the calls to other zones`
  return `For ${count(inputs.callsPerSecond)} calls a second from ${count(inputs.callers)} processes, ${bytes(inputs.bytesPerCall)} a call, ${crossing}. List prices as of ${PRICES_AS_OF} unless given.`
}

function assertionList(assertions: readonly AssertionResult[]): Markup {
  if (assertions.length === 0) return html``
  const rows = assertions.map(({ text, holds, values }) => {
    const word = holds === null ? 'cannot tell' : holds ? 'holds' : 'fails'
    return html`<li>
      <b class="${holds === true ? 'holds' : 'fails'}">${word}</b>: <code>${text}</code> (${values})
    </li>`
  })
  return html`<h2>Assertions</h2>
    <ul>
      ${rows}
    </ul>`
}

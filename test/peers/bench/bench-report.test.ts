/** The HTML report in a real browser. `ONEHOP_SCREENSHOTS=FOLDER` keeps pictures of it, to be looked at. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { htmlReport } from '../../../src/bench/report/html/page.ts'
import { digits } from '../../../src/bench/report/numbers.ts'
import type { BenchReport } from '../../../src/bench/report/report.ts'
import { madeUpReport } from '../../support/bench/bench-run.ts'
import { Chromium, type Shown } from './chromium.ts'

const VIEWS = {
  'light desktop': { width: 1_200, height: 900, scheme: 'light' },
  'dark desktop': { width: 1_200, height: 900, scheme: 'dark' },
  'light phone': { width: 360, height: 780, scheme: 'light' },
  'dark phone': { width: 360, height: 780, scheme: 'dark' },
} as const

const HOSTILE = `"><img src=x onerror="console.log('run')"></script><script>console.log('run')</script>`

let chromium: Chromium
let folder: string
beforeAll(async () => {
  chromium = await Chromium.start()
  folder = await mkdtemp(join(tmpdir(), 'onehop-report-'))
})
afterAll(async () => {
  await chromium?.[Symbol.asyncDispose]()
  if (folder !== undefined) await rm(folder, { recursive: true })
})

async function pageOf(report: BenchReport, name: string): Promise<string> {
  const file = join(folder, `${name}.html`)
  await writeFile(file, htmlReport(report))
  return pathToFileURL(file).href
}

/** Texts of the cells of a table, without what is below them in small print. */
async function cells(page: Shown, id: string): Promise<string[][]> {
  const rows = `[...document.querySelectorAll('#${id} tbody tr')].map((row) => [...row.cells].map((cell) => cell.childNodes[0]?.textContent ?? ''))`
  return (await page.evaluate(rows)) as string[][]
}

const INK = 'getComputedStyle(document.body).backgroundColor'

test.for(Object.entries(VIEWS))(
  '%s: renders without a complaint or a request, with all charts, and fits',
  async ([name, view]) => {
    const url = await pageOf(await madeUpReport(), name)
    const page = await chromium.show(url, view)
    expect(page.complaints).toEqual([])
    expect(page.requests).toEqual([url])
    const charts = `[...document.querySelectorAll('svg.chart')].filter((svg) => svg.getBoundingClientRect().width > 200).map((svg) => [svg.getAttribute('aria-label'), svg.querySelectorAll('path.line, line.line').length])`
    const visible = (await page.evaluate(charts)) as [string, number][]
    expect(visible.map(([label]) => label.split(':')[0])).toEqual([
      'Differences at p50',
      'Differences at p90',
      'Differences at p99',
      'Latency by percentile',
      'Latency over time',
    ])
    for (const [label, lines] of visible) expect(lines, label).toBeGreaterThanOrEqual(4)
    // Wide tables scroll within the page; the page itself does not.
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true)
    expect(await page.evaluate(INK)).toBe(view.scheme === 'dark' ? 'rgb(21, 24, 28)' : 'rgb(255, 255, 255)')
    const small = `[...document.querySelectorAll('svg.chart text')].filter((text) => text.getBoundingClientRect().width > 0).map((text) => text.getBoundingClientRect().height)`
    // Of text with a size of 12: not shrunk until it cannot be read.
    expect(Math.min(...((await page.evaluate(small)) as number[]))).toBeGreaterThan(11)
    const pictures = process.env['ONEHOP_SCREENSHOTS']
    const picture = await page.screenshot()
    expect(picture.length).toBeGreaterThan(50_000)
    if (pictures !== undefined) await writeFile(join(pictures, `${name.replace(' ', '-')}.png`), picture)
  },
)

test('the tables are those of the JSON', async () => {
  const report = await madeUpReport({ failure: 'status 503' })
  const page = await chromium.show(await pageOf(report, 'tables'), VIEWS['light desktop'])
  const embedded = await page.evaluate("document.querySelector('#report').textContent")
  expect(JSON.parse(embedded as string)).toEqual(JSON.parse(JSON.stringify(report)))
  const text = (ms: number | null): string => (ms === null ? 'cannot tell' : digits(ms))
  expect(await cells(page, 'latency')).toEqual(
    report.arms.map(({ label, latency, maxMs, service, calls }) => [
      label,
      ...latency.map(({ ms }) => text(ms)),
      text(maxMs),
      text(service[0]?.ms ?? null),
      calls.toLocaleString('en'),
    ]),
  )
  const differences = await cells(page, 'differences')
  expect(differences.map((row) => row.at(-1))).toEqual(
    report.comparisons.flatMap(({ percentiles }) => percentiles.map(({ sentence }) => sentence)),
  )
  expect((await cells(page, 'tasks')).map((row) => row[1])).toEqual(
    report.arms.flatMap(({ byUpstream }) => byUpstream.map(({ name }) => name)),
  )
  const cost = await cells(page, 'cost')
  expect(
    cost
      .filter(([path]) => ['ALB', 'NLB', 'direct by DNS', 'direct by the API'].includes(path ?? ''))
      .map(([, sum]) => sum),
  ).toEqual(report.cost.paths.map(({ perMonth }) => `$${perMonth.toFixed(2)}`))
})

test('names from outside stay text, wherever they are shown', async () => {
  const report = await madeUpReport({
    tasks: [HOSTILE, 'task-2', 'task-3'],
    failure: HOSTILE,
    settings: { title: HOSTILE, notices: [HOSTILE], command: HOSTILE },
  })
  const page = await chromium.show(await pageOf(report, 'hostile'), VIEWS['light desktop'])
  expect(page.complaints).toEqual([])
  expect(page.requests).toHaveLength(1)
  expect(await page.evaluate("document.querySelectorAll('img').length")).toBe(0)
  expect(await page.evaluate("document.querySelectorAll('script').length")).toBe(1)
  expect(await page.evaluate('document.title')).toBe(HOSTILE)
  expect((await cells(page, 'tasks')).some((row) => row[1] === HOSTILE)).toBe(true)
})

test('a report of a run that was interrupted at once renders, too', async () => {
  const report = await madeUpReport({
    settings: { durationMs: 1_000, warmUpMs: 0, perSecond: 1 },
    wasInterrupted: true,
  })
  const page = await chromium.show(await pageOf(report, 'empty'), VIEWS['light phone'])
  expect(page.complaints).toEqual([])
  expect(await page.evaluate('document.body.innerText')).toContain('The run was interrupted')
  expect(await page.evaluate('document.body.innerHTML.includes("NaN")')).toBe(false)
})

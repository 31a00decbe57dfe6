import { expect, test } from 'vitest'
import type { Report } from '../../../benchmarks/discovery/report.ts'
import { runBenchmark } from '../../support/bench/benchmarks.ts'

test('the discovery benchmark runs, ends by itself, and counts what it should', async () => {
  const reports = await runBenchmark('discovery')
  expect(reports.map(({ name }) => name)).toEqual([
    'cached',
    'reconcile',
    'memory',
    'minute',
    'ttl',
    'cold',
    'month',
  ])
  for (const { columns, rows } of reports) {
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) expect(Object.keys(row)).toEqual(Object.keys(columns))
  }
  const rowsOf = (name: string): Report['rows'] => reports.find((report) => report.name === name)?.rows ?? []
  // Counts, not times: these are the same on any machine.
  expect(rowsOf('cold')[0]).toEqual({ what: 'onehop', a: 1, aaaa: 0 })
  expect(rowsOf('minute')[0]).toMatchObject({ discovery: 'dns, TTL 10 s', services: 1, dns: 6, idle: 0 })
  expect(rowsOf('minute').at(-1)).toMatchObject({ discovery: 'api', services: 10, first: 10, idle: 0 })
}, 180_000)

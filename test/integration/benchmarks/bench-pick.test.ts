import { expect, test } from 'vitest'
import { runBenchmark } from '../../support/bench/benchmarks.ts'

test('the benchmark of picks runs, ends by itself, and sees what is allocated', async () => {
  const reports = await runBenchmark('pick')
  expect(reports.map(({ name }) => name)).toEqual(['ns', 'bytes'])
  for (const { columns, rows } of reports) {
    expect(rows[0]?.['balancer']).toBe('p2c()')
    for (const row of rows) expect(Object.keys(row)).toEqual(Object.keys(columns))
  }
  const control = reports[1]?.rows.at(-1)
  expect(control?.['pooled']).toBeGreaterThan(30)
}, 180_000)

import { expect, test } from 'vitest'
import { runBenchmark } from '../../support/bench/benchmarks.ts'

test('the benchmark of the agent runs, ends by itself, and measures all sides', async () => {
  const reports = await runBenchmark('agent')
  expect(reports.map(({ name, rows }) => [name, rows.length])).toEqual([['agent', 2]])
  for (const { columns, rows } of reports) {
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(Object.keys(columns))
      for (const side of ['plain', 'onehop']) expect(row[side]).toBeGreaterThan(1)
    }
  }
}, 180_000)

import { expect, test } from 'vitest'
import { runBenchmark } from '../../support/bench/benchmarks.ts'

test('the benchmark of overhead runs, ends by itself, and measures both sides', async () => {
  const reports = await runBenchmark('overhead')
  expect(reports.map(({ name, rows }) => [name, rows.length])).toEqual([
    ['sockets', 2],
    ['layer', 2],
  ])
  for (const row of reports[0]?.rows ?? []) {
    expect(row['onehop']).toBeGreaterThan(1)
    expect(row['byHand']).toBeGreaterThan(1)
  }
}, 180_000)

import { expect, test } from 'vitest'
import { runBenchmark } from '../../support/bench/benchmarks.ts'

test('the benchmark of metrics runs, ends by itself, and measures all sides', async () => {
  const [report] = await runBenchmark('otel')
  expect(report?.rows).toHaveLength(2)
  for (const row of report?.rows ?? [])
    for (const side of ['off', 'on', 'own', 'byHand', 'undici']) expect(row[side]).toBeGreaterThan(0)
}, 90_000)

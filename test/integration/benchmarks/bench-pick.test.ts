import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Report } from '../../../benchmarks/discovery/report.ts'

// What `npm run bench:pick` runs on, whatever the tests do.
const NODE = new URL('../../../node_modules/.bin/node', import.meta.url).pathname
const MAIN = new URL('../../../benchmarks/pick/main.ts', import.meta.url).pathname

test('the benchmark of picks runs, ends by itself, and sees what is allocated', async () => {
  const flags = ['--conditions=onehop:source', MAIN, '--quick', '--json']
  const { stdout } = await promisify(execFile)(NODE, flags, { timeout: 60_000 })
  const { reports } = JSON.parse(stdout) as { reports: readonly Report[] }
  expect(reports.map(({ name }) => name)).toEqual(['ns', 'bytes'])
  for (const { columns, rows } of reports) {
    expect(rows[0]?.['balancer']).toBe('p2c()')
    for (const row of rows) expect(Object.keys(row)).toEqual(Object.keys(columns))
  }
  const control = reports[1]?.rows.at(-1)
  expect(control?.['pooled']).toBeGreaterThan(30)
}, 90_000)

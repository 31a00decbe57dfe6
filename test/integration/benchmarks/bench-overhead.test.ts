import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Report } from '../../../benchmarks/discovery/report.ts'

// What `npm run bench:overhead` runs on, whatever the tests do.
const NODE = new URL('../../../node_modules/.bin/node', import.meta.url).pathname
const MAIN = new URL('../../../benchmarks/overhead/main.ts', import.meta.url).pathname

test('the benchmark of overhead runs, ends by itself, and measures both sides', async () => {
  const flags = ['--conditions=onehop:source', MAIN, '--quick', '--json']
  const { stdout } = await promisify(execFile)(NODE, flags, { timeout: 60_000 })
  const { reports } = JSON.parse(stdout) as { reports: readonly Report[] }
  expect(reports.map(({ name, rows }) => [name, rows.length])).toEqual([
    ['sockets', 2],
    ['layer', 2],
  ])
  for (const row of reports[0]?.rows ?? []) {
    expect(row['onehop']).toBeGreaterThan(1)
    expect(row['byHand']).toBeGreaterThan(1)
  }
}, 90_000)

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Report } from '../../../benchmarks/discovery/report.ts'

// What `npm run bench:discovery` runs on, whatever the tests do: Node 22 has no `await using`.
const NODE = new URL('../../../node_modules/.bin/node', import.meta.url).pathname
const MAIN = new URL('../../../benchmarks/discovery/main.ts', import.meta.url).pathname

test('the discovery benchmark runs, ends by itself, and counts what it should', async () => {
  const flags = ['--conditions=onehop:source', MAIN, '--quick', '--json']
  const { stdout } = await promisify(execFile)(NODE, flags, { timeout: 60_000 })
  const { reports } = JSON.parse(stdout) as { reports: readonly Report[] }
  expect(reports.map(({ name }) => name)).toEqual(['cached', 'reconcile', 'memory', 'minute', 'ttl', 'cold'])
  for (const { columns, rows } of reports) {
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) expect(Object.keys(row)).toEqual(Object.keys(columns))
  }
  const rowsOf = (name: string): Report['rows'] => reports.find((report) => report.name === name)?.rows ?? []
  // Counts, not times: these are the same on any machine.
  expect(rowsOf('cold')[0]).toEqual({ what: 'onehop', a: 1, aaaa: 0 })
  expect(rowsOf('minute')[0]).toMatchObject({ discovery: 'dns, TTL 10 s', services: 1, dns: 6, idle: 0 })
  expect(rowsOf('minute').at(-1)).toMatchObject({ discovery: 'api', services: 10, first: 10, idle: 0 })
}, 90_000)

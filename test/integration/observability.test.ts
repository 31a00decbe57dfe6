/** The dashboards and alert rules of examples/observability/. test/doors/otel/prometheus.test.ts evaluates them. */
import { readFile, readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { observabilityFiles } from '../../scripts/observability.ts'
import { METRICS } from '../../src/otel/metrics.ts'

const root = new URL('../../', import.meta.url)
const files = observabilityFiles()

test('the files are those that `npm run observability` writes', async () => {
  const folder = new URL('examples/observability/', root)
  expect((await readdir(folder)).toSorted()).toEqual([...files.keys()].toSorted())
  for (const [name, text] of files) expect(await readFile(new URL(name, folder), 'utf8')).toBe(text)
})

test('the dashboard shows every metric of onehop', () => {
  const shown = files.get('dashboard.exporter.json') ?? ''
  const own = Object.values(METRICS).filter(({ name }) => name.startsWith('onehop.'))
  expect(own.filter(({ name }) => !shown.includes(name.replaceAll('.', '_')))).toEqual([])
})

test('docs/observability.md lists every metric with its unit', async () => {
  const document = await readFile(new URL('docs/observability.md', root), 'utf8')
  for (const { name, unit } of Object.values(METRICS))
    expect(document).toMatch(
      new RegExp(`\\| \`${name.replaceAll('.', '\\.')}\` \\|.*${unit.replaceAll(/[{}]/g, '\\$&')}`),
    )
})

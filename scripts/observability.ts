/**
 * Writes the dashboards and alert rules of `examples/observability/`: `npm run observability`. The names of metrics come
 * from `src/otel/metrics.ts`. A test fails if the files are out of date (test/integration/observability.test.ts).
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ruleFile } from './observability/alerts.ts'
import { dashboard } from './observability/dashboard.ts'
import { FLAVOURS } from './observability/names.ts'

/** What each file holds. */
export function observabilityFiles(): ReadonlyMap<string, string> {
  return new Map(
    FLAVOURS.flatMap((flavour) => [
      [`alerts.${flavour}.yaml`, ruleFile(flavour)],
      [`dashboard.${flavour}.json`, `${JSON.stringify(dashboard(flavour), undefined, 2)}\n`],
    ]),
  )
}

if (import.meta.main) {
  const folder = join(import.meta.dirname, '../examples/observability')
  for (const [name, text] of observabilityFiles()) writeFileSync(join(folder, name), text)
}

import { join } from 'node:path'
import { installPackages } from '../../scripts/private-packages.ts'

/** Before the first test: the libraries of others, and OpenTelemetry's SDK, exporters and instrumentations. */
export default function setup(): void {
  for (const folder of ['packages', 'otel/packages']) installPackages(join(import.meta.dirname, folder))
}
